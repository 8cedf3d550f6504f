import { once } from "node:events";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { certificates, kubeconfig } from "../../support/certificates";

import { FakePods } from "./fake-pods";

type Json = Record<string, unknown>;

const KINDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "/api/v1": { ConfigMap: "configmaps", Secret: "secrets", ServiceAccount: "serviceaccounts" },
  "/apis/apps/v1": { DaemonSet: "daemonsets" },
  "/apis/rbac.authorization.k8s.io/v1": { Role: "roles", RoleBinding: "rolebindings" },
};

const PODS = "/api/v1/namespaces/kube-system/pods";
const DAEMON_SET = "/apis/apps/v1/namespaces/kube-system/daemonsets/control-plane-lb";

interface Stored {
  readonly uid: string;
  generation: number;
  /** What each manager has applied; the last one wins. */
  readonly applied: Map<string, Json>;
}

/**
 * A Kubernetes API in memory, with TLS and client certificates: objects are what their field
 * managers have applied, key by key.
 *
 * Enough to see what the program writes and deletes; it knows conflicts of annotations only, no
 * defaults and no rights. The nodes are those that the ConfigMap of the backends names.
 */
export class FakeApi {
  readonly pods = new FakePods();
  private readonly objects = new Map<string, Stored>();
  private readonly server = https.createServer(tls(), (request, response) => {
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

  /** Where it listens: the endpoint of the cluster. */
  get endpoint(): { readonly host: string; readonly port: number } {
    return { host: "localhost", port: (this.server.address() as AddressInfo).port };
  }

  /** As kubeadm writes it. @param user distinguishes two kubeconfigs of the same cluster */
  kubeconfig(user = "admin"): string {
    const { host, port } = this.endpoint;
    return kubeconfig(`https://${host}:${port}`, user);
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

  /** Names of all objects, as "configmaps/haproxy-backends"; hashes at their ends are left out. */
  names(): string[] {
    return [...this.objects.keys()].map(shortName).sort();
  }

  /** Hash of the template of HAProxy's pods. */
  template(): string {
    const daemonSet = this.objects.get(DAEMON_SET);
    const spec = (daemonSet && merged(daemonSet)["spec"]) as Json | undefined;
    const { metadata } = (spec?.["template"] ?? {}) as { metadata?: Json };
    const annotations = metadata?.["annotations"] as Record<string, string> | undefined;
    return annotations?.["control-plane-lb/template"] ?? "";
  }

  /** As `kubectl delete` does. */
  delete(kind: string, name: string): void {
    for (const key of this.objects.keys())
      if (key.endsWith(`/${kind}/${name}`)) this.objects.delete(key);
  }

  private answerPods(method: string, path: string): Json | undefined {
    const names = this.nodeNames();
    if (path === "/api/v1/nodes") return { items: this.pods.nodes(names) };
    if (path === PODS) return { items: this.pods.list(names, this.template()) };
    if (!path.startsWith(`${PODS}/`)) return undefined;
    const name = path.slice(PODS.length + 1);
    this.note(`${method} pods/${name}`);
    this.pods.delete(name);
    return {};
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
    const pods = this.answerPods(method, url.pathname);
    if (pods !== undefined) return [200, pods];
    const short = shortName(url.pathname);
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
    const object = merged(stored);
    if (object["kind"] !== "DaemonSet") return [200, object];
    const status = this.pods.status(this.nodeNames(), this.template(), stored.generation);
    return [200, { ...object, status }];
  }

  private nodeNames(): string[] {
    const list = this.annotations("haproxy-backends")["control-plane-lb/control-plane-nodes"];
    return JSON.parse(list ?? "[]") as string[];
  }
}

function shortName(key: string): string {
  const short = key.split("/").slice(-2).join("/");
  return short.replace(/^(configmaps\/control-plane-lb-updater)-[0-9a-f]{10}$/, "$1");
}

function tls(): https.ServerOptions {
  const { ca, serverCert, serverKey } = certificates();
  return { ca, cert: serverCert, key: serverKey, requestCert: true, rejectUnauthorized: true };
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
  const token = Buffer.from(tokenOf(String(metadata["name"]))).toString("base64");
  const filled =
    object["type"] === "kubernetes.io/service-account-token" ? { data: { token } } : {};
  return { ...object, metadata, ...filled };
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
