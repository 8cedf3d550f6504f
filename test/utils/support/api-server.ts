import http from "node:http";
import type { AddressInfo } from "node:net";
import type { KubernetesObject } from "../../../pulumi-test-utils/src/plugins/kubernetes/object";
import { applyTo, Conflict, ownedByUpdate } from "./apply";

const TOKEN = "token-of-the-test";

const RESOURCES: Record<string, readonly (readonly [string, string, boolean])[]> = {
  "/api/v1": [
    ["configmaps", "ConfigMap", true],
    ["secrets", "Secret", true],
    ["namespaces", "Namespace", false],
    ["serviceaccounts", "ServiceAccount", true],
  ],
  "/apis/apps/v1": [["daemonsets", "DaemonSet", true]],
  "/apis/rbac.authorization.k8s.io/v1": [["rolebindings", "RoleBinding", true]],
  "/apis/example.com/v1": [["things", "Thing", false]],
};

/** One request that changed something, or tried to. */
export interface Change {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
}

/**
 * A small API server on a free port of this machine: objects in memory, server-side apply with
 * owners.
 */
export interface ApiServer {
  readonly kubeconfig: string;
  /** By path, e.g. /api/v1/namespaces/default/configmaps/one. */
  readonly objects: Map<string, KubernetesObject>;
  /** Everything but GET, in order. */
  readonly changes: Change[];
  /** Called after a change, e.g. to play a controller. */
  afterChange: (path: string) => void;
  close(): Promise<void>;
}

/** A kubeconfig for a server at a URL. */
export function kubeconfigFor(server: string, token = TOKEN): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "test",
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    clusters: [{ name: "test", cluster: { server } }],
    users: [{ name: "test", user: { token } }],
  });
}

export async function startApiServer(): Promise<ApiServer> {
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.once("end", () => {
      const text = Buffer.concat(chunks).toString();
      const body: unknown = text === "" ? undefined : JSON.parse(text);
      const { status, answer } = handle(api, request, body);
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const api: ApiServer = {
    kubeconfig: kubeconfigFor(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    objects: new Map(),
    changes: [],
    afterChange: () => undefined,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return api;
}

interface Answer {
  readonly status: number;
  readonly answer: unknown;
}

function failure(status: number, reason: string, message: string, kind = ""): Answer {
  return {
    status,
    answer: { kind: "Status", status: "Failure", reason, message, details: { kind } },
  };
}

function handle(api: ApiServer, request: http.IncomingMessage, body: unknown): Answer {
  const url = new URL(request.url ?? "", "http://server");
  const { pathname: path, searchParams: query } = url;
  const method = request.method ?? "";
  if (request.headers.authorization !== `Bearer ${TOKEN}`) {
    return failure(401, "Unauthorized", "Unauthorized");
  }
  const served = RESOURCES[path];
  if (served !== undefined) {
    const resources = served.map(([name, kind, namespaced]) => ({ name, kind, namespaced }));
    return { status: 200, answer: { kind: "APIResourceList", resources } };
  }
  const live = api.objects.get(path);
  const [, namespace] = /\/namespaces\/([^/]+)\//.exec(path) ?? [];
  if (method !== "GET") api.changes.push({ method, path, query, body });
  if (namespace === "missing") {
    return failure(404, "NotFound", 'namespaces "missing" not found', "namespaces");
  }
  const isDry = query.get("dryRun") === "All";
  const store = (at: string, object: KubernetesObject): Answer => {
    const generation = (live?.metadata?.generation ?? 0) + 1;
    const metadata = { uid: "u1", ...object.metadata, generation };
    const stored = { ...object, metadata };
    if (isDry) return { status: 200, answer: stored };
    api.objects.set(at, stored);
    api.afterChange(at);
    return { status: 200, answer: api.objects.get(at) };
  };
  const manager = query.get("fieldManager") ?? "unknown";
  if (method === "POST") {
    const object = body as KubernetesObject;
    const at = `${path}/${object.metadata?.name}`;
    if (api.objects.has(at)) {
      return failure(409, "AlreadyExists", `"${object.metadata?.name}" already exists`);
    }
    const managedFields = [ownedByUpdate(object, manager)];
    return store(at, { ...object, metadata: { ...object.metadata, managedFields } });
  }
  if (method === "PATCH" && request.headers["content-type"] === "application/apply-patch+yaml") {
    try {
      const force = query.get("force") === "true";
      return store(path, applyTo(live, body as KubernetesObject, manager, force));
    } catch (error) {
      if (error instanceof Conflict) return failure(409, "Conflict", error.message);
      throw error;
    }
  }
  if (live === undefined) return failure(404, "NotFound", `"${path}" not found`);
  if (method === "PATCH") {
    const [{ value: managedFields } = { value: [] }] = body as [{ value: never[] }];
    return store(path, { ...live, metadata: { ...live.metadata, managedFields } });
  }
  if (method === "DELETE") api.objects.delete(path);
  return { status: 200, answer: live };
}
