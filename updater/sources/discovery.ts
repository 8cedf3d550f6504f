/** Where the backends come from: follows the sources that the settings name, and merges them. */
import { formatBackend, type Backend, type RefusedEntry } from "../../haproxy/model";
import type { Context } from "../context";
import type { ApiServer } from "../http";
import { readConfigMap, watchedConfigMap, type ConfigMap } from "./config-map";
import { readSlice, WATCHED_SLICE, type EndpointSlice } from "./endpoint-slice";
import { errorText } from "../report/log";
import { refuseLbPort } from "./lb-port";
import { isOverdue, mergeSources, splitBySource, trackSlice, type Member } from "./merge-sources";
import { ObjectSource, type ApiAccess, type Observation } from "./object-source";

/** The backends of all sources together. */
export interface DiscoveredBackends {
  /** resourceVersion of the object that changed last. */
  readonly revision: string;
  /** Can be empty, and must not be applied then. */
  readonly backends: readonly Backend[];
  readonly refused: readonly RefusedEntry[];
  /** Sources without a usable backend, and what serves instead. */
  readonly problems: readonly string[];
}

/** What discovery calls. */
export interface DiscoveryCallbacks {
  /** `discover` may have another result. */
  readonly onChange: () => void;
  /**
   * The backends that serve when the first source answers: they stand in for a source
   * that has not answered yet. Read once.
   */
  readonly serving: () => readonly Backend[];
}

type DiscoveryContext = Pick<Context, "settings" | "log" | "metrics" | "report" | "now">;

const LAST_GOOD = "the last good backends stay";

/** Follows the ConfigMap, the EndpointSlice, or both. */
export class Discovery {
  readonly #context: DiscoveryContext;
  readonly #callbacks: DiscoveryCallbacks;
  readonly #sources: readonly ObjectSource<object>[];
  readonly #failures = new Map<string, unknown>();
  #configMap: Observation<ConfigMap> | undefined;
  #slice: Observation<EndpointSlice> | undefined;
  #revision = "";
  #members: readonly Member[] | undefined;
  #entries: readonly Backend[] = [];

  constructor(context: DiscoveryContext, access: ApiAccess, callbacks: DiscoveryCallbacks) {
    this.#context = context;
    this.#callbacks = callbacks;
    const { namespace, configMap, discovery } = context.settings;
    const sources: ObjectSource<object>[] = [];
    if (discovery !== "endpoints") {
      const watched = watchedConfigMap(namespace, configMap);
      sources.push(
        new ObjectSource<ConfigMap>(context, access, {
          watched,
          onObserved: (observation) => {
            this.#configMap = observation;
            this.#changed(observation.revision);
          },
          onConfirmed: () => this.#confirmed(watched.title),
          onFailed: (error) => this.#failed(watched.title, error),
        }),
      );
    }
    if (discovery !== "configMap") {
      const watched = WATCHED_SLICE;
      sources.push(
        new ObjectSource<EndpointSlice>(context, access, {
          watched,
          onObserved: (observation) => {
            this.#slice = observation;
            this.#changed(observation.revision);
          },
          // Retention ends when an API server confirms the slice, never by a timer alone.
          onConfirmed: () => {
            this.#confirmed(watched.title);
            const { now } = this.#context;
            if (isOverdue(this.#members ?? [], now(), this.#retainMs)) callbacks.onChange();
          },
          onFailed: (error) => this.#failed(watched.title, error),
        }),
      );
    }
    this.#sources = sources;
  }

  /** An API server in use. */
  get apiServer(): ApiServer | undefined {
    return this.#sources.find(({ apiServer }) => apiServer !== undefined)?.apiServer;
  }

  /** uid of the ConfigMap; empty when it is not followed or does not exist. */
  get uid(): string {
    return this.#configMap?.uid ?? "";
  }

  /** Those of the backends that have left the slice, and how long ago. */
  outOfSlice(backends: readonly Backend[]): { name: string; seconds: number }[] {
    const departures = new Map(this.#members?.map((it) => [formatBackend(it), it.departedAtMs]));
    return backends.flatMap((backend) => {
      const departedAtMs = departures.get(formatBackend(backend));
      if (departedAtMs === undefined) return [];
      return [{ name: backend.name, seconds: (this.#context.now() - departedAtMs) / 1000 }];
    });
  }

  /** Runs until the signal comes. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.run(signal)));
  }

  /** Leaves the API servers in use for which the condition holds. */
  leave(condition: (apiServer: ApiServer) => boolean, reason: string): void {
    for (const source of this.#sources) {
      if (source.apiServer !== undefined && condition(source.apiServer)) source.leave(reason);
    }
  }

  /** What the sources contain now. */
  discover(): DiscoveredBackends {
    const now = this.#context.now();
    if (this.#members === undefined) {
      const { discovery } = this.#context.settings;
      const start = splitBySource(discovery, this.#callbacks.serving(), now);
      this.#members = start.members;
      this.#entries = start.entries;
    }
    const refused: RefusedEntry[] = [];
    const problems: string[] = [];
    if (this.#slice !== undefined) {
      const slice = refuseLbPort(readSlice(this.#slice.object), this.#context.settings);
      this.#members = trackSlice(this.#members, slice.backends, now, this.#retainMs);
      refused.push(...slice.refused);
      if (slice.backends.length === 0) {
        const empty = emptiness(this.#slice, "has no ready endpoint");
        problems.push(`${WATCHED_SLICE.title} ${empty}: ${LAST_GOOD}`);
      }
    }
    if (this.#configMap !== undefined) {
      const configMap = refuseLbPort(readConfigMap(this.#configMap.object), this.#context.settings);
      this.#entries = configMap.backends;
      refused.push(...configMap.refused);
      if (configMap.backends.length === 0) {
        const empty = emptiness(this.#configMap, "has no valid entry");
        const instead =
          this.#members.length === 0 ? LAST_GOOD : `${WATCHED_SLICE.title} alone counts`;
        problems.push(`${this.#configMapTitle} ${empty}: ${instead}`);
      }
    }
    const merged = mergeSources(this.#entries, this.#members);
    return {
      revision: this.#revision,
      backends: merged.backends,
      refused: [...refused, ...merged.refused],
      problems,
    };
  }

  get #retainMs(): number {
    return this.#context.settings.retainSeconds * 1000;
  }

  #changed(revision: string): void {
    this.#revision = revision;
    this.#callbacks.onChange();
  }

  #confirmed(title: string): void {
    if (this.#failures.delete(title)) this.#reportFailures();
  }

  #failed(title: string, error: unknown): void {
    this.#failures.set(title, error);
    this.#reportFailures();
  }

  #reportFailures(): void {
    this.#context.report.replace(
      "SyncFailed",
      [...this.#failures].map(([title, error]) => `${title}: ${errorText(error)}`),
    );
  }

  get #configMapTitle(): string {
    const { namespace, configMap } = this.#context.settings;
    return watchedConfigMap(namespace, configMap).title;
  }
}

function emptiness({ object }: Observation<object>, without: string): string {
  return object === undefined ? "does not exist" : without;
}
