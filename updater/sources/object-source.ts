/** Follows one object of the API: lists and watches it for ever. */
import { backoffMs, pause } from "../backoff";
import type { Context } from "../context";
import { exchange, openRequest, type ApiServer, type Trust } from "../http";
import { formatBackend } from "../../haproxy/model";
import { errorText } from "../report/log";
import { chooseRound } from "./api-server-order";
import { SOURCE_TIMES, type SourceTimes } from "./source-times";
import type { SyncState } from "./sync-state";

/** An object to follow. */
export interface WatchedObject {
  /** For messages: `ConfigMap kube-system/haproxy-backends`. */
  readonly title: string;
  /** Of its kind and namespace: `/api/v1/namespaces/kube-system/configmaps`. */
  readonly path: string;
  readonly name: string;
}

/** The object at one moment. */
export interface Observation<T> {
  readonly revision: string;
  readonly uid: string;
  /** Undefined: there is no such object. */
  readonly object: T | undefined;
}

/** How sources reach the API servers. */
export interface ApiAccess {
  readonly trust: () => Trust;
  /** Read for each connection. */
  readonly token: () => string;
  /** API servers, the best first. */
  readonly apiServers: () => readonly ApiServer[];
  readonly sync: SyncState;
  readonly times?: Partial<SourceTimes>;
}

/** What a source follows, and what it calls. */
export interface Subscriber<T> {
  readonly watched: WatchedObject;
  readonly onObserved: (observation: Observation<T>) => void;
  /** An API server has just confirmed the last observation. */
  readonly onConfirmed?: () => void;
  /** A whole round of the API servers failed; the error is the last one's. */
  readonly onFailed?: (error: unknown) => void;
}

type SourceContext = Pick<Context, "log" | "metrics">;

/** The resourceVersion is too old: list again. */
class GoneError extends Error {}

interface ApiObject {
  readonly metadata?: { readonly resourceVersion?: string; readonly uid?: string };
  readonly code?: number;
  readonly message?: string;
}

/** How a round of the API servers ended. */
type RoundEnd =
  /** A watch ended in order. */
  | "ended"
  /** The resourceVersion was too old. */
  | "gone"
  /** This one had answered. */
  | { readonly lost: ApiServer }
  /** None has answered. */
  | { readonly error: unknown };

/** Lists, watches, and starts again: API servers in turn, the best first after every success. */
export class ObjectSource<T extends object> {
  readonly #context: SourceContext;
  readonly #access: ApiAccess;
  readonly #subscriber: Subscriber<T>;
  readonly #times: SourceTimes;
  #revision: string | undefined;
  #apiServer: ApiServer | undefined;
  #watch: AbortController | undefined;
  /** The API server in use has answered. */
  #confirmed = false;

  constructor(context: SourceContext, access: ApiAccess, subscriber: Subscriber<T>) {
    this.#context = context;
    this.#access = access;
    this.#subscriber = subscriber;
    access.sync.expect(subscriber.watched.title);
    this.#times = { ...SOURCE_TIMES, ...access.times };
  }

  /** The API server in use. */
  get apiServer(): ApiServer | undefined {
    return this.#apiServer;
  }

  /** Leaves the API server in use, e.g. because HAProxy's checks get no answer from it. */
  leave(reason: string): void {
    this.#watch?.abort(new Error(reason));
  }

  /** Runs until the signal comes. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    let round = 1;
    let lost: ApiServer | undefined;
    while (!signal.aborted) {
      const choice = chooseRound(this.#access.apiServers(), round, lost);
      if (choice.length === 0) {
        await pause(1000, signal);
        continue;
      }
      const end = await this.#ask(choice, round, signal);
      if (signal.aborted) return;
      lost = typeof end === "object" && "lost" in end ? end.lost : undefined;
      if (end === "ended") {
        round = 1;
      } else if (typeof end === "object" && "error" in end) {
        this.#subscriber.onFailed?.(end.error);
        // Once for each round: a wrong address must not delay the right ones.
        await pause(backoffMs(round), signal);
        round += 1;
      } else {
        round = 1;
        await pause(backoffMs(1), signal);
      }
    }
  }

  /** Asks one after the other, until one answers. */
  async #ask(
    apiServers: readonly ApiServer[],
    round: number,
    signal: AbortSignal,
  ): Promise<RoundEnd> {
    const { metrics, log } = this.#context;
    let last: unknown;
    for (const apiServer of apiServers) {
      this.#apiServer = apiServer;
      this.#confirmed = false;
      try {
        await this.#follow(apiServer, signal);
        return "ended";
      } catch (error) {
        if (signal.aborted) break;
        if (this.#confirmed) metrics.watchRestarts += 1;
        this.#revision = undefined;
        if (error instanceof GoneError) return "gone";
        const server = formatBackend(apiServer);
        log.warn("lost an API server", { server, error: errorText(error), round });
        if (this.#confirmed) return { lost: apiServer };
        last = error;
      }
    }
    return { error: last };
  }

  /** Lists if needed, then watches until the API server ends the watch. */
  async #follow(apiServer: ApiServer, signal: AbortSignal): Promise<void> {
    const revision = this.#revision ?? (await this.#list(apiServer));
    this.#revision = revision;
    this.#watch = new AbortController();
    const stop = (): void => this.#watch?.abort(new Error("stopped"));
    signal.addEventListener("abort", stop, { once: true });
    try {
      await this.#watchFrom(apiServer, revision, this.#watch.signal);
    } finally {
      signal.removeEventListener("abort", stop);
      this.#watch = undefined;
    }
  }

  #path(parameters: Readonly<Record<string, string>>): string {
    const { path, name } = this.#subscriber.watched;
    const query = new URLSearchParams({ fieldSelector: `metadata.name=${name}`, ...parameters });
    return `${path}?${query.toString()}`;
  }

  #token(): string {
    try {
      return this.#access.token();
    } catch (error) {
      this.#context.metrics.countError("token");
      throw error;
    }
  }

  async #list(apiServer: ApiServer): Promise<string> {
    const token = this.#token();
    const path = this.#path({});
    const { status, body } = await exchange(apiServer, this.#access.trust(), {
      method: "GET",
      path,
      token,
      timeoutMs: this.#times.requestMs,
      connectMs: this.#times.connectMs,
    }).catch((error: unknown) => {
      this.#context.metrics.countError("api");
      throw error;
    });
    this.#expectOk(status, body);
    const list = JSON.parse(body) as ApiObject & { readonly items?: readonly (T & ApiObject)[] };
    const revision = list.metadata?.resourceVersion;
    if (revision === undefined) throw new Error("the API server's list has no resourceVersion");
    this.#observe(list.items?.[0], list.items?.[0]?.metadata?.resourceVersion ?? revision);
    this.#confirm(apiServer);
    return revision;
  }

  async #watchFrom(apiServer: ApiServer, revision: string, signal: AbortSignal): Promise<void> {
    const { watchMs, graceMs, requestMs, connectMs } = this.#times;
    const lengthMs = Math.round(watchMs * (1 + Math.random() / 2));
    const answer = await openRequest(apiServer, this.#access.trust(), {
      method: "GET",
      path: this.#path({
        watch: "1",
        allowWatchBookmarks: "true",
        resourceVersion: revision,
        timeoutSeconds: String(Math.max(1, Math.round(lengthMs / 1000))),
      }),
      token: this.#token(),
      timeoutMs: requestMs,
      connectMs,
      signal,
    });
    // Ends a watch whose API server hangs and does not keep its timeoutSeconds.
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
        for (const line of lines) if (line.trim() !== "") this.#event(line, apiServer);
      }
      // An orderly end confirms that nothing else has changed.
      this.#confirm(apiServer);
    } finally {
      clearTimeout(timer);
      answer.destroy();
    }
  }

  #event(line: string, apiServer: ApiServer): void {
    const { type, object } = JSON.parse(line) as { type: string; object: T & ApiObject };
    const revision = object.metadata?.resourceVersion;
    if (type === "ERROR") {
      if (object.code === 410) throw new GoneError();
      throw new Error(`the watch ended: ${object.code ?? "?"} ${object.message ?? ""}`);
    }
    if (revision !== undefined) this.#revision = revision;
    if (type === "ADDED" || type === "MODIFIED") this.#observe(object, revision ?? "");
    if (type === "DELETED") this.#observe(undefined, revision ?? "");
    this.#confirm(apiServer);
  }

  #observe(object: (T & ApiObject) | undefined, revision: string): void {
    this.#subscriber.onObserved({ revision, uid: object?.metadata?.uid ?? "", object });
  }

  #confirm(apiServer: ApiServer): void {
    this.#confirmed = true;
    this.#access.sync.confirm(this.#subscriber.watched.title, apiServer);
    this.#subscriber.onConfirmed?.();
  }

  #expectOk(status: number, body: string): void {
    if (status === 200) return;
    if (status === 410) throw new GoneError();
    const { watched } = this.#subscriber;
    const { metrics } = this.#context;
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
