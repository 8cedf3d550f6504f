/** One object as the API servers tell it: list and watch, for ever. */
import { backoffMs, pause } from "../backoff";
import { exchange, openRequest, type Endpoint, type Trust } from "./http";
import { errorText, type Log } from "../report/log";
import type { Metrics } from "../report/metrics";

/** An object that is followed. */
export interface Watched {
  /** As people call it: `ConfigMap kube-system/haproxy-backends`. */
  readonly title: string;
  /** Of its kind and namespace: `/api/v1/namespaces/kube-system/configmaps`. */
  readonly path: string;
  readonly name: string;
}

/** The object at one moment. */
export interface Observed<T> {
  readonly revision: string;
  readonly uid: string;
  /** Undefined: there is no such object. */
  readonly object: T | undefined;
}

/** What the source works with. */
export interface SourceParts<T> {
  readonly watched: Watched;
  readonly trust: () => Trust;
  /** Read for each connection. */
  readonly token: () => string;
  /** API servers, the best first. */
  readonly endpoints: () => readonly Endpoint[];
  readonly onObserved: (observed: Observed<T>) => void;
  /** An API server has just said that what was observed still holds. */
  readonly onConfirmed?: () => void;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly times?: Partial<SourceTimes>;
}

/** All in milliseconds. */
export interface SourceTimes {
  /** A list, or the head of a watch's answer. */
  readonly requestMs: number;
  /** A watch is asked to end after this time to one and a half of it: a hung API server is not noticed later. */
  readonly watchMs: number;
  /** A watch that is silent for so long beyond its time is dropped. */
  readonly graceMs: number;
}

const TIMES: SourceTimes = { requestMs: 5000, watchMs: 60_000, graceMs: 5000 };

/** The resourceVersion is too old: list again. */
class GoneError extends Error {}

interface ApiObject {
  readonly metadata?: { readonly resourceVersion?: string; readonly uid?: string };
  readonly code?: number;
  readonly message?: string;
}

/** Lists, watches, and starts again; API servers in turn, the best first after every success. */
export class ObjectSource<T extends object> {
  readonly #parts: SourceParts<T>;
  readonly #times: SourceTimes;
  #revision: string | undefined;
  #endpoint: Endpoint | undefined;
  #watch: AbortController | undefined;

  constructor(parts: SourceParts<T>) {
    this.#parts = parts;
    parts.metrics.expectSync(parts.watched.title);
    this.#times = { ...TIMES, ...parts.times };
  }

  /** The API server that is asked at the moment. */
  get endpoint(): Endpoint | undefined {
    return this.#endpoint;
  }

  /** Gives up the API server that is being asked, e.g. because HAProxy's checks get no answer from it. */
  leave(reason: string): void {
    this.#watch?.abort(new Error(reason));
  }

  /** Runs until the signal comes. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { metrics, log, endpoints } = this.#parts;
    for (let attempt = 0; !signal.aborted;) {
      const choice = endpoints();
      const endpoint = choice[attempt % Math.max(1, choice.length)];
      if (endpoint === undefined) {
        await pause(1000, signal);
        continue;
      }
      this.#endpoint = endpoint;
      try {
        await this.#follow(endpoint, signal);
        attempt = 0;
      } catch (error) {
        if (signal.aborted) return;
        metrics.watchRestarts += 1;
        const gone = error instanceof GoneError;
        this.#revision = undefined;
        if (!gone) {
          attempt += 1;
          const server = `${endpoint.address} ${endpoint.port}`;
          log.warn("API server given up", { server, error: errorText(error), attempt });
        }
        // Each server gets its first turn soon; the pause grows with each round.
        await pause(backoffMs(Math.ceil((attempt + 1) / Math.max(1, choice.length))), signal);
      }
    }
  }

  /** List if need be, then one watch to its orderly end. */
  async #follow(endpoint: Endpoint, signal: AbortSignal): Promise<void> {
    const revision = this.#revision ?? (await this.#list(endpoint));
    this.#revision = revision;
    this.#watch = new AbortController();
    const stop = (): void => this.#watch?.abort(new Error("stopped"));
    signal.addEventListener("abort", stop, { once: true });
    try {
      await this.#watchFrom(endpoint, revision, this.#watch.signal);
    } finally {
      signal.removeEventListener("abort", stop);
      this.#watch = undefined;
    }
  }

  #path(parameters: Readonly<Record<string, string>>): string {
    const { path, name } = this.#parts.watched;
    const query = new URLSearchParams({ fieldSelector: `metadata.name=${name}`, ...parameters });
    return `${path}?${query.toString()}`;
  }

  #token(): string {
    try {
      return this.#parts.token();
    } catch (error) {
      this.#parts.metrics.countError("token");
      throw error;
    }
  }

  async #list(endpoint: Endpoint): Promise<string> {
    const token = this.#token();
    const path = this.#path({});
    const { status, body } = await exchange(endpoint, this.#parts.trust(), {
      method: "GET",
      path,
      token,
      timeoutMs: this.#times.requestMs,
    }).catch((error: unknown) => {
      this.#parts.metrics.countError("api");
      throw error;
    });
    this.#expectOk(status, body);
    const list = JSON.parse(body) as ApiObject & { readonly items?: readonly (T & ApiObject)[] };
    const revision = list.metadata?.resourceVersion;
    if (revision === undefined) throw new Error("the API server's list has no resourceVersion");
    this.#observe(list.items?.[0], list.items?.[0]?.metadata?.resourceVersion ?? revision);
    this.#confirm();
    return revision;
  }

  async #watchFrom(endpoint: Endpoint, revision: string, signal: AbortSignal): Promise<void> {
    const { watchMs, graceMs, requestMs } = this.#times;
    const lengthMs = Math.round(watchMs * (1 + Math.random() / 2));
    const answer = await openRequest(endpoint, this.#parts.trust(), {
      method: "GET",
      path: this.#path({
        watch: "1",
        allowWatchBookmarks: "true",
        resourceVersion: revision,
        timeoutSeconds: String(Math.max(1, Math.round(lengthMs / 1000))),
      }),
      token: this.#token(),
      timeoutMs: requestMs,
      signal,
    });
    // Also ends a watch whose API server hangs and never keeps its timeoutSeconds.
    const timer = setTimeout(
      () => answer.destroy(new Error("the watch is silent beyond its time")),
      lengthMs + graceMs,
    );
    try {
      if (answer.statusCode !== 200) {
        answer.resume();
        this.#expectOk(answer.statusCode ?? 0, "");
      }
      let rest = "";
      answer.setEncoding("utf8");
      for await (const chunk of answer) {
        const lines = (rest + String(chunk)).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) if (line.trim() !== "") this.#event(line);
      }
      // Orderly end: until now nothing had changed.
      this.#confirm();
    } finally {
      clearTimeout(timer);
      answer.destroy();
    }
  }

  #event(line: string): void {
    const { type, object } = JSON.parse(line) as { type: string; object: T & ApiObject };
    const revision = object.metadata?.resourceVersion;
    if (type === "ERROR") {
      if (object.code === 410) throw new GoneError();
      throw new Error(`the watch ended: ${object.code ?? "?"} ${object.message ?? ""}`);
    }
    if (revision !== undefined) this.#revision = revision;
    if (type === "ADDED" || type === "MODIFIED") this.#observe(object, revision ?? "");
    if (type === "DELETED") this.#observe(undefined, revision ?? "");
    this.#confirm();
  }

  #observe(object: (T & ApiObject) | undefined, revision: string): void {
    this.#parts.onObserved({ revision, uid: object?.metadata?.uid ?? "", object });
  }

  #confirm(): void {
    this.#parts.metrics.confirmSync(this.#parts.watched.title);
    this.#parts.onConfirmed?.();
  }

  #expectOk(status: number, body: string): void {
    if (status === 200) return;
    if (status === 410) throw new GoneError();
    const { watched, metrics } = this.#parts;
    metrics.countError(status === 401 || status === 403 ? "unauthorized" : "api");
    const hint =
      status === 401
        ? "the token is not accepted"
        : status === 403
          ? `the ServiceAccount may not list or watch ${watched.title}`
          : body.slice(0, 200);
    throw new Error(`the API server answered ${status}: ${hint}`);
  }
}
