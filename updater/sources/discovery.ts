/** Where the backends come from: follows what the settings name, each object by itself, and puts together what they say. */
import { formatBackend, type Backend, type Refused } from "../../haproxy/model";
import { readConfigMap, watchedConfigMap, type ConfigMap } from "./config-map";
import { readSlice, WATCHED_SLICE, type EndpointSlice } from "./endpoint-slice";
import type { Endpoint } from "./http";
import type { UpdaterSettings } from "../settings";
import { ObjectSource, type Observed, type SourceParts } from "./object-source";
import { divide, followSlice, isOverdue, unite, type Member } from "./merge-sources";

/** What the sources say together. */
export interface Found {
  /** resourceVersion of the object that changed last. */
  readonly revision: string;
  /** Can be empty, and must not be applied then. */
  readonly backends: readonly Backend[];
  readonly refused: readonly Refused[];
  /** What is wrong with a source as a whole, and what that means. */
  readonly problems: readonly string[];
}

/** What discovery works with. */
export interface DiscoveryParts extends Omit<
  SourceParts<object>,
  "watched" | "onObserved" | "onConfirmed"
> {
  readonly settings: UpdaterSettings;
  /** `found` has something new to say. */
  readonly onChange: () => void;
  readonly now?: () => number;
}

const LAST_GOOD = "the last good backends stay";

/** Follows the ConfigMap, the EndpointSlice, or both. */
export class Discovery {
  readonly #parts: DiscoveryParts;
  readonly #now: () => number;
  readonly #sources: readonly ObjectSource<object>[];
  #configMap: Observed<ConfigMap> | undefined;
  #slice: Observed<EndpointSlice> | undefined;
  #revision = "";
  #members: readonly Member[] | undefined;
  #entries: readonly Backend[] = [];

  constructor(parts: DiscoveryParts) {
    this.#parts = parts;
    this.#now = parts.now ?? (() => performance.now());
    const { namespace, configMap, discovery } = parts.settings;
    const sources: ObjectSource<object>[] = [];
    if (discovery !== "endpoints") {
      sources.push(
        new ObjectSource<ConfigMap>({
          ...parts,
          watched: watchedConfigMap(namespace, configMap),
          onObserved: (observed) => {
            this.#configMap = observed;
            this.#changed(observed.revision);
          },
        }),
      );
    }
    if (discovery !== "configMap") {
      sources.push(
        new ObjectSource<EndpointSlice>({
          ...parts,
          watched: WATCHED_SLICE,
          onObserved: (observed) => {
            this.#slice = observed;
            this.#changed(observed.revision);
          },
          // Whoever is out of the slice for too long, still is: no timer says so, an API server does.
          onConfirmed: () => {
            if (isOverdue(this.#members ?? [], this.#now(), this.#retainMs)) parts.onChange();
          },
        }),
      );
    }
    this.#sources = sources;
  }

  /** An API server that is asked at the moment. */
  get endpoint(): Endpoint | undefined {
    return this.#sources.find(({ endpoint }) => endpoint !== undefined)?.endpoint;
  }

  /** uid of the ConfigMap; empty when it is not followed or not there. */
  get uid(): string {
    return this.#configMap?.uid ?? "";
  }

  /** Those of the backends that have left the slice, and how long ago. */
  outOfSlice(backends: readonly Backend[]): { name: string; seconds: number }[] {
    const since = new Map(this.#members?.map((it) => [formatBackend(it), it.goneSinceMs]));
    return backends.flatMap((backend) => {
      const goneSinceMs = since.get(formatBackend(backend));
      if (goneSinceMs === undefined) return [];
      return [{ name: backend.name, seconds: (this.#now() - goneSinceMs) / 1000 }];
    });
  }

  /** Runs until the signal comes. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.run(signal)));
  }

  /** Gives up those API servers that are being asked and for which the condition holds. */
  leave(condition: (endpoint: Endpoint) => boolean, reason: string): void {
    for (const source of this.#sources) {
      if (source.endpoint !== undefined && condition(source.endpoint)) source.leave(reason);
    }
  }

  /**
   * What the sources say now.
   * @param serving the backends that are wanted so far: they count until a source has spoken.
   */
  found(serving: readonly Backend[]): Found {
    const now = this.#now();
    if (this.#members === undefined) {
      const start = divide(this.#parts.settings.discovery, serving, now);
      this.#members = start.members;
      this.#entries = start.entries;
    }
    const refused: Refused[] = [];
    const problems: string[] = [];
    if (this.#slice !== undefined) {
      const slice = readSlice(this.#slice.object);
      this.#members = followSlice(this.#members, slice.backends, now, this.#retainMs);
      refused.push(...slice.refused);
      if (slice.backends.length === 0) {
        const empty = emptiness(this.#slice, "has no ready endpoint");
        problems.push(`${WATCHED_SLICE.title} ${empty}: ${LAST_GOOD}`);
      }
    }
    if (this.#configMap !== undefined) {
      const configMap = readConfigMap(this.#configMap.object);
      this.#entries = configMap.backends;
      refused.push(...configMap.refused);
      if (configMap.backends.length === 0) {
        const empty = emptiness(this.#configMap, "has no valid entry");
        const so = this.#members.length === 0 ? LAST_GOOD : `${WATCHED_SLICE.title} alone counts`;
        problems.push(`${this.#configMapTitle} ${empty}: ${so}`);
      }
    }
    const union = unite(this.#entries, this.#members);
    return {
      revision: this.#revision,
      backends: union.backends,
      refused: [...refused, ...union.refused],
      problems,
    };
  }

  get #retainMs(): number {
    return this.#parts.settings.retainSeconds * 1000;
  }

  #changed(revision: string): void {
    this.#revision = revision;
    this.#parts.onChange();
  }

  get #configMapTitle(): string {
    const { namespace, configMap } = this.#parts.settings;
    return watchedConfigMap(namespace, configMap).title;
  }
}

function emptiness({ object }: Observed<object>, without: string): string {
  return object === undefined ? "does not exist" : without;
}
