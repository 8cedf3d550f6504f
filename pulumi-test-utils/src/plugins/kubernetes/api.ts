import http from "node:http";
import https from "node:https";
import { isObject, type Properties } from "../../wire";
import type { Target } from "./kubeconfig";
import { isNamespacedBuiltIn, type KubernetesObject } from "./object";

/** An error response of the API server. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly code: number,
    /** e.g. NotFound, AlreadyExists, Conflict */
    readonly reason: string,
    readonly details: Properties,
  ) {
    super(message);
  }
}

/** The API server does not serve the kind. */
export class NoMatchError extends Error {
  constructor(apiVersion: string, kind: string) {
    super(`no matches for kind "${kind}" in version "${apiVersion}"`);
  }
}

/** Time limit of one request, in milliseconds. */
const REQUEST_LIMIT_MS = 30_000;

interface RequestOptions {
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

/** A kind that the API server serves. */
interface Served {
  readonly plural: string;
  readonly namespaced: boolean;
}

/**
 * Client of an API server. Each request opens a connection, so none is stale after a load balancer
 * moved.
 */
export class Api {
  private readonly served = new Map<string, Map<string, Served>>();

  constructor(private readonly target: Target) {}

  /** @throws ApiError, or an error of the connection */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<Properties> {
    const query = Object.entries(options.query ?? {}).filter(([, value]) => value !== undefined);
    const search = new URLSearchParams(query as [string, string][]).toString();
    const url = new URL(this.target.server + path + (search === "" ? "" : `?${search}`));
    const { status, text } = await this.send(method, url, options);
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch {
      body = undefined;
    }
    if (status >= 200 && status < 300) return isObject(body) ? body : {};
    const answer = isObject(body) ? body : {};
    throw new ApiError(
      typeof answer.message === "string"
        ? answer.message
        : `the server answered ${status}: ${text}`,
      status,
      typeof answer.reason === "string" ? answer.reason : "Unknown",
      isObject(answer.details) ? answer.details : {},
    );
  }

  /** Path of an object, or of its collection if `name` is undefined. @throws NoMatchError */
  async path(object: KubernetesObject, name: string | undefined): Promise<string> {
    const { apiVersion = "", kind = "" } = object;
    const { plural, namespaced } = await this.kind(apiVersion, kind);
    const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const namespace = namespaced
      ? `/namespaces/${encodeURIComponent(object.metadata?.namespace ?? "default")}`
      : "";
    const rest = name === undefined ? "" : `/${encodeURIComponent(name)}`;
    return `${root}${namespace}/${plural}${rest}`;
  }

  /** Whether the API server serves the kind; false if it cannot be reached. */
  async serves(object: KubernetesObject): Promise<boolean> {
    return this.kind(object.apiVersion ?? "", object.kind ?? "").then(
      () => true,
      () => false,
    );
  }

  /** Whether a kind is namespaced; unknown kinds count as namespaced. */
  async isNamespaced(apiVersion: string, kind: string): Promise<boolean> {
    const builtIn = isNamespacedBuiltIn(apiVersion, kind);
    if (builtIn !== undefined) return builtIn;
    return this.kind(apiVersion, kind).then(
      ({ namespaced }) => namespaced,
      () => true,
    );
  }

  private async kind(apiVersion: string, kind: string): Promise<Served> {
    const known = this.served.get(apiVersion)?.get(kind);
    if (known !== undefined) return known;
    const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const list = await this.request("GET", root).catch((error: unknown) => {
      if (error instanceof ApiError && error.code === 404) return { resources: [] };
      throw error;
    });
    const kinds = new Map<string, Served>();
    for (const resource of list.resources as Properties[]) {
      const plural = String(resource.name);
      if (plural.includes("/")) continue;
      kinds.set(String(resource.kind), { plural, namespaced: resource.namespaced === true });
    }
    this.served.set(apiVersion, kinds);
    const found = kinds.get(kind);
    if (found === undefined) throw new NoMatchError(apiVersion, kind);
    return found;
  }

  private send(
    method: string,
    url: URL,
    options: RequestOptions,
  ): Promise<{ status: number; text: string }> {
    const { target } = this;
    const body = options.body === undefined ? undefined : JSON.stringify(options.body);
    const headers: Record<string, string> = { accept: "application/json" };
    if (target.token !== undefined) headers.authorization = `Bearer ${target.token}`;
    if (body !== undefined) {
      headers["content-type"] = options.contentType ?? "application/json";
      headers["content-length"] = String(Buffer.byteLength(body));
    }
    const library = url.protocol === "http:" ? http : https;
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => {
        const verb = method.charAt(0) + method.slice(1).toLowerCase();
        reject(new Error(`${verb} "${url.href}": ${connectionText(error, url)}`, { cause: error }));
      };
      const request = library.request(
        url,
        {
          method,
          headers,
          agent: false,
          ca: target.ca,
          cert: target.cert,
          key: target.key,
          servername: target.serverName,
          rejectUnauthorized: !target.insecure,
          timeout: REQUEST_LIMIT_MS,
          signal: options.signal,
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.once("error", fail);
          response.once("end", () =>
            resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
          );
        },
      );
      request.once("error", fail);
      request.once("timeout", () => request.destroy(new Error("i/o timeout")));
      request.end(body);
    });
  }
}

function connectionText(error: Error & { code?: string }, url: URL): string {
  if (error.code === "ECONNREFUSED") return `dial tcp ${url.host}: connect: connection refused`;
  return error.message;
}

export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.code === 404;
}
