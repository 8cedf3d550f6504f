import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";

type Json = Record<string, unknown>;

const KINDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "/api/v1": { ConfigMap: "configmaps", Secret: "secrets", ServiceAccount: "serviceaccounts" },
  "/apis/apps/v1": { DaemonSet: "daemonsets" },
  "/apis/rbac.authorization.k8s.io/v1": { Role: "roles", RoleBinding: "rolebindings" },
};

interface Stored {
  readonly uid: string;
  generation: number;
  /** What each manager has applied; the last one wins. */
  readonly applied: Map<string, Json>;
}

/**
 * A Kubernetes API in memory: objects are what their field managers have applied, key by key.
 *
 * Enough to see what the program writes and deletes; it knows conflicts of annotations only, no
 * defaults, no rights, and every DaemonSet is ready.
 */
export class FakeApi {
  private readonly objects = new Map<string, Stored>();
  private readonly server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const [status, body] = this.answer(
        request.method ?? "",
        new URL(request.url ?? "", "http://fake"),
        text === "" ? {} : (JSON.parse(text) as Json),
      );
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    });
  });

  private constructor(private readonly note: (line: string) => void) {}

  /** @param note gets each change, e.g. "DELETE configmaps/haproxy-backends" */
  static async start(note: (line: string) => void): Promise<FakeApi> {
    const api = new FakeApi(note);
    api.server.listen(0, "127.0.0.1");
    await once(api.server, "listening");
    return api;
  }

  /**
   * @param user distinguishes two kubeconfigs of the same cluster
   * @param ca PEM of a CA that stands in it; the API itself has no TLS
   */
  kubeconfig(user = "admin", ca?: string): string {
    const { port } = this.server.address() as AddressInfo;
    const server = `http://127.0.0.1:${port}`;
    const authority =
      ca === undefined ? {} : { "certificate-authority-data": Buffer.from(ca).toString("base64") };
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "fake",
      contexts: [{ name: "fake", context: { cluster: "fake", user } }],
      clusters: [{ name: "fake", cluster: { server, ...authority } }],
      users: [{ name: user, user: { token: `token-of-${user}` } }],
    });
  }

  /** Data of a ConfigMap in kube-system, or undefined if there is none. */
  configMap(name: string): Readonly<Record<string, string>> | undefined {
    const stored = this.objects.get(path("configmaps", name));
    return stored && ((merged(stored)["data"] ?? {}) as Record<string, string>);
  }

  /** The token that a Secret of this name holds. */
  tokenOf(secret: string): string {
    return tokenOf(secret);
  }

  annotations(name: string): Readonly<Record<string, string>> {
    const stored = this.objects.get(path("configmaps", name));
    const metadata = (stored && merged(stored)["metadata"]) as Json | undefined;
    return (metadata?.["annotations"] ?? {}) as Record<string, string>;
  }

  /** As `kubectl patch` does: another manager sets keys. */
  patchData(name: string, data: Readonly<Record<string, string>>): void {
    this.objects.get(path("configmaps", name))?.applied.set("kubectl-patch", { data });
  }

  /** Removes what says whose cluster it is, as the documented `kubectl annotate` does. */
  handOver(): void {
    const stored = this.objects.get(path("configmaps", "haproxy-backends"));
    for (const object of stored?.applied.values() ?? []) {
      for (const key of ["control-plane-lb/stack", "pulumi.com/patchFieldManager"]) {
        delete annotationsOf(object)[key];
      }
    }
  }

  /** Names of all objects, as "configmaps/haproxy-backends". */
  names(): string[] {
    return [...this.objects.keys()].map((key) => key.split("/").slice(-2).join("/")).sort();
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private answer(method: string, url: URL, body: Json): [number, Json] {
    const served = KINDS[url.pathname];
    if (served !== undefined) {
      const resources = Object.entries(served).map(([kind, name]) => ({
        kind,
        name,
        namespaced: true,
      }));
      return [200, { kind: "APIResourceList", resources }];
    }
    const short = url.pathname.split("/").slice(-2).join("/");
    const stored = this.objects.get(url.pathname);
    if (method === "PATCH") {
      const manager = url.searchParams.get("fieldManager") ?? "";
      const next: Stored = stored
        ? { ...stored, generation: stored.generation + 1, applied: new Map(stored.applied) }
        : { uid: `uid-${this.objects.size}-${short}`, generation: 1, applied: new Map() };
      const conflict =
        url.searchParams.get("force") === "true" ? undefined : conflictOf(next, manager, body);
      if (conflict !== undefined) {
        return [409, { kind: "Status", reason: "Conflict", message: conflict }];
      }
      next.applied.delete(manager);
      next.applied.set(manager, body);
      if (!url.searchParams.has("dryRun")) {
        this.objects.set(url.pathname, next);
        this.note(`${method} ${short}`);
      }
      return [200, merged(next)];
    }
    if (stored === undefined) {
      return [404, { kind: "Status", reason: "NotFound", message: `${short} not found` }];
    }
    if (method === "DELETE") {
      this.objects.delete(url.pathname);
      this.note(`${method} ${short}`);
    }
    return [200, merged(stored)];
  }
}

function path(plural: string, name: string): string {
  return `/api/v1/namespaces/kube-system/${plural}/${name}`;
}

/** As the API server says it: another manager has given an annotation another value. */
function conflictOf(stored: Stored, manager: string, body: Json): string | undefined {
  for (const [other, applied] of stored.applied) {
    if (other === manager) continue;
    const theirs = annotationsOf(applied);
    for (const [key, value] of Object.entries(annotationsOf(body))) {
      if (theirs[key] === undefined || theirs[key] === value) continue;
      const where = `conflict with ${JSON.stringify(other)}: .metadata.annotations.${key}`;
      return `Apply failed with 1 conflict: ${where}`;
    }
  }
  return undefined;
}

function annotationsOf(object: Json): Json {
  return (((object["metadata"] ?? {}) as Json)["annotations"] ?? {}) as Json;
}

function merged({ uid, generation, applied }: Stored): Json {
  const object = [...applied.values()].reduce<Json>(merge, {});
  const metadata: Json = { ...(object["metadata"] as Json), uid, generation };
  const ready = object["kind"] === "DaemonSet" ? { status: readyStatus(generation) } : {};
  const token = Buffer.from(tokenOf(String(metadata["name"]))).toString("base64");
  const filled =
    object["type"] === "kubernetes.io/service-account-token" ? { data: { token } } : {};
  return { ...object, metadata, ...ready, ...filled };
}

function merge(into: Json, from: Json): Json {
  const result = { ...into };
  for (const [key, value] of Object.entries(from)) {
    const before = result[key];
    result[key] = isObject(before) && isObject(value) ? merge(before, value) : value;
  }
  return result;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What the token controller writes into a Secret of this name. */
function tokenOf(secret: string): string {
  return `eyJhbGciOiJSUzI1NiIsImtpZCI6Im5vbmUifQ.claims-of-${secret}.signature`;
}

function readyStatus(observedGeneration: number): Json {
  return {
    observedGeneration,
    desiredNumberScheduled: 3,
    currentNumberScheduled: 3,
    updatedNumberScheduled: 3,
    numberAvailable: 3,
    numberReady: 3,
  };
}
