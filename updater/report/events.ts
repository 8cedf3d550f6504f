/**
 * Kubernetes Events on the ConfigMap: `kubectl describe configmap` shows what was refused, and why. Those about the EndpointSlice stand
 * there, too: an Event must be in the namespace of its object, and the updater may write none in the slice's.
 */
import { createHash } from "node:crypto";
import { exchange, type Endpoint, type Trust } from "../sources/http";
import { errorText, type Log } from "./log";
import type { Metrics } from "./metrics";

const COMPONENT = "control-plane-lb-updater";
const TIMEOUT_MS = 5000;
/** Events live an hour by default; a mistake that stays is told again after this. */
const REPEAT_MS = 30 * 60_000;
/** A text of the API is at most 1024 characters (events.k8s.io validation). */
const MAX_MESSAGE = 1000;

/** What the reporter works with. */
export interface EventParts {
  readonly namespace: string;
  readonly configMap: string;
  /** This host, as in `kubectl get events -o wide`. */
  readonly host: string;
  readonly endpoint: () => Endpoint | undefined;
  readonly trust: () => Trust;
  readonly token: () => string;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Creates Events; an Event that exists is counted up. Failures are counted and never stop anything. */
export class EventReporter {
  readonly #parts: EventParts;
  readonly #told = new Map<string, number>();
  #uid = "";

  constructor(parts: EventParts) {
    this.#parts = parts;
  }

  /** The ConfigMap's uid: `kubectl describe` finds Events by it. Without it (discovery `endpoints`), `kubectl get events` shows them. */
  set uid(uid: string) {
    if (uid !== "") this.#uid = uid;
  }

  /** Tells about a problem, at most once in half an hour. Never throws. */
  async report(reason: string, message: string): Promise<void> {
    const key = createHash("sha256")
      .update(JSON.stringify([this.#parts.host, this.#uid, reason, message]))
      .digest("hex")
      .slice(0, 16);
    const now = performance.now();
    if (now - (this.#told.get(key) ?? -Infinity) < REPEAT_MS) return;
    if (this.#told.size > 500) this.#told.clear();
    this.#told.set(key, now);
    try {
      await this.#send(key, reason, message.slice(0, MAX_MESSAGE));
    } catch (error) {
      this.#told.delete(key);
      this.#parts.metrics.countError("event");
      this.#parts.log.warn("Event not written", { reason, error: errorText(error) });
    }
  }

  async #send(key: string, reason: string, message: string): Promise<void> {
    const { namespace, configMap, host } = this.#parts;
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
    const endpoint = this.#parts.endpoint();
    if (endpoint === undefined) throw new Error("no API server known");
    const { status } = await exchange(endpoint, this.#parts.trust(), {
      method,
      path,
      contentType,
      body: JSON.stringify(body),
      token: this.#parts.token(),
      timeoutMs: TIMEOUT_MS,
    });
    return status;
  }
}
