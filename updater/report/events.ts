/**
 * Kubernetes Events on the ConfigMap: `kubectl describe configmap` shows problems and their causes.
 * Problems of the EndpointSlice stand there, too: an Event must be in the namespace of its object,
 * and the updater may not write into the slice's.
 */
import { createHash } from "node:crypto";
import { hostname } from "node:os";
import type { Context } from "../context";
import { exchange, type ApiServer, type Trust } from "../http";
import { errorText } from "./log";

const COMPONENT = "control-plane-lb-updater";
const TIMEOUT_MS = 5000;
/** Events live an hour by default; a problem that lasts is sent again after this. */
const REPEAT_MS = 30 * 60_000;
/** An Event that could not be written is tried again after this. */
const RETRY_MS = 10_000;
/** So many different Events at once, then one for each refill: as client-go's recorder. */
const BURST = 25;
const REFILL_MS = 5 * 60_000;
/** The API accepts at most 1024 characters (events.k8s.io validation). */
const MAX_MESSAGE = 1000;

/** How Events reach an API server. */
export interface EventConnection {
  /** The API server to ask; undefined: none is known yet. */
  readonly apiServer: () => ApiServer | undefined;
  readonly trust: () => Trust;
  readonly token: () => string;
  /** This host, as in `kubectl get events -o wide`. @default the system's host name */
  readonly host?: string;
  /** @default 10 s */
  readonly retryMs?: number;
}

type EventContext = Pick<Context, "settings" | "log" | "metrics" | "now">;

/** Creates Events, and counts up those that exist. A failure is counted and stops nothing. */
export class EventReporter {
  readonly #context: EventContext;
  readonly #connection: EventConnection;
  readonly #host: string;
  readonly #sentAtMs = new Map<string, number>();
  #uid = "";
  #credit = BURST;
  #creditAtMs = 0;
  /** The last failure: a repetition is not logged. */
  #failure = "";

  constructor(context: EventContext, connection: EventConnection) {
    this.#context = context;
    this.#connection = connection;
    this.#host = connection.host ?? hostname();
  }

  /**
   * The ConfigMap's uid: `kubectl describe` finds Events by it. Without it (discovery `endpoints`)
   * `kubectl get events` shows them.
   */
  set uid(uid: string) {
    if (uid !== "") this.#uid = uid;
  }

  /** Sends an Event, the same one at most once in half an hour, and not too many. Never throws. */
  async report(reason: string, message: string): Promise<void> {
    const key = createHash("sha256")
      .update(JSON.stringify([this.#host, this.#uid, reason, message]))
      .digest("hex")
      .slice(0, 16);
    const now = this.#context.now();
    if (now - (this.#sentAtMs.get(key) ?? -Infinity) < REPEAT_MS) return;
    if (!this.#spend(now)) return;
    if (this.#sentAtMs.size > 500) this.#sentAtMs.clear();
    this.#sentAtMs.set(key, now);
    try {
      await this.#send(key, reason, message.slice(0, MAX_MESSAGE));
      this.#failure = "";
    } catch (error) {
      this.#credit += 1;
      this.#sentAtMs.set(key, now - REPEAT_MS + (this.#connection.retryMs ?? RETRY_MS));
      this.#context.metrics.countError("event");
      const text = errorText(error);
      if (text !== this.#failure) {
        this.#context.log.warn("Event not written", { reason, error: text });
      }
      this.#failure = text;
    }
  }

  /** False when there were too many: the caller offers the Event again while its problem lasts. */
  #spend(now: number): boolean {
    this.#credit = Math.min(BURST, this.#credit + (now - this.#creditAtMs) / REFILL_MS);
    this.#creditAtMs = now;
    if (this.#credit < 1) return false;
    this.#credit -= 1;
    return true;
  }

  async #send(key: string, reason: string, message: string): Promise<void> {
    const { namespace, configMap } = this.#context.settings;
    const host = this.#host;
    const name = `${configMap}.${key}`;
    const time = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`;
    const event = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name, namespace },
      involvedObject: {
        apiVersion: "v1",
        kind: "ConfigMap",
        name: configMap,
        namespace,
        ...(this.#uid === "" ? {} : { uid: this.#uid }),
      },
      reason,
      message,
      type: "Warning",
      source: { component: COMPONENT, host },
      reportingComponent: COMPONENT,
      reportingInstance: host,
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    };
    const status = await this.#call("POST", path, "application/json", event);
    if (status === 409) {
      const patch = { lastTimestamp: time, count: 2 };
      const type = "application/merge-patch+json";
      const patched = await this.#call("PATCH", `${path}/${encodeURIComponent(name)}`, type, patch);
      if (patched >= 300) throw new Error(`the API server answered ${patched} to a patch`);
    } else if (status >= 300) {
      throw new Error(`the API server answered ${status}`);
    }
  }

  async #call(
    method: "POST" | "PATCH",
    path: string,
    contentType: string,
    body: unknown,
  ): Promise<number> {
    const apiServer = this.#connection.apiServer();
    if (apiServer === undefined) throw new Error("no API server known");
    const { status } = await exchange(apiServer, this.#connection.trust(), {
      method,
      path,
      contentType,
      body: JSON.stringify(body),
      token: this.#connection.token(),
      timeoutMs: TIMEOUT_MS,
    });
    return status;
  }
}
