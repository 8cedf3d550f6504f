/** One address on which the control plane is reached. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What the load does; every default is the design's. */
export interface LoadOptions {
  /** The control-plane endpoint. */
  readonly endpoint: Endpoint;
  /** Kubeconfig text, where it is known already; else `setCredentials` brings it. */
  readonly kubeconfig?: string;
  /** Name of the first phase. @default "bring-up" */
  readonly firstPhase?: string;
  /** New TLS connections a second, one request each. @default 20 */
  readonly newPerSecond?: number;
  /** Clients that keep one connection. @default 4 */
  readonly keepAliveClients?: number;
  /** Requests a second of each of these clients. @default 5 */
  readonly keepAlivePerSecond?: number;
  /** Open watches. @default 10 */
  readonly watches?: number;
  /** Time for one request from its start to the end of the answer, in ms. @default 5000 */
  readonly deadlineMs?: number;
  /** Namespace of the load's own ConfigMap. @default "default" */
  readonly namespace?: string;
  /** Other load balancers that a phase may name in `through`. @default none */
  readonly alsoThrough?: readonly Endpoint[];
}

/** Options of one phase. */
export interface PhaseOptions {
  /** The load goes through these addresses only, as long as the phase lasts. @default the endpoint */
  readonly through?: readonly Endpoint[];
  /**
   * Watches and keep-alive clients begin with new connections, by our own doing, before the phase counts as open. Else they stay where they
   * are, for example on the forward long after HAProxy has taken over. @default false
   */
  readonly reconnect?: boolean;
}

/** The three ways in which clients use the endpoint; they are counted apart. */
export type Channel = "new" | "reused" | "watch";

/**
 * What went wrong: connection refused; reset or closed before the end of the answer; no whole answer by the
 * deadline; TLS; another network error; 5xx; 429; another status than expected; not the body asked for.
 */
export type FailureKind =
  "refused" | "reset" | "timeout" | "tls" | "network" | "5xx" | "429" | "status" | "body";

export interface Failure {
  readonly channel: Channel;
  readonly kind: FailureKind;
  readonly message: string;
  /** What was asked: "GET", "LIST", "PATCH", "WATCH", "VERSION". */
  readonly operation: string;
  /** Address that was asked. */
  readonly target: string;
  /** Start, ms since 1970. */
  readonly at: number;
  /** Start of its connection; of a new one the same. */
  readonly connectedAt: number;
  /** From the start to the failure. */
  readonly afterMs: number;
}

/** Counts of one channel in one phase; a request belongs to the phase in which it began. */
export interface ChannelReport {
  readonly sent: number;
  readonly ok: number;
  readonly failed: number;
  readonly inFlightLost: number;
  /** Longest time without a good answer; 0 for watches. */
  readonly maxGapMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface PhaseReport {
  readonly name: string;
  readonly startedAt: number;
  readonly seconds: number;
  /** Requests of all channels; opening a watch is a request too. */
  readonly sent: number;
  readonly ok: number;
  readonly failed: number;
  /**
   * Requests under way when a kill happened (`markKill`) that broke off or got no answer. A request on a kept connection that the
   * kill broke is one of them too if it began before the news can have reached the client: within 0.5 s.
   */
  readonly inFlightLost: number;
  /** Requests that have no outcome yet; 0 in a closed phase. */
  readonly pending: number;
  /** Watches that ended, or went silent, without our doing. */
  readonly watchBreaks: number;
  /** Writes acknowledged to the writer that a watch never showed. */
  readonly missedEvents: number;
  /** Writes that a watch showed later than the deadline. */
  readonly lateEvents: number;
  /** Longest time without a good answer on new connections. */
  readonly maxGapMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly newConnections: ChannelReport;
  readonly reused: ChannelReport;
  readonly watches: ChannelReport;
  /** The first 20; the counts are complete. */
  readonly failures: readonly Failure[];
  /** The first 20 requests of `inFlightLost`. */
  readonly lost: readonly Failure[];
  /** Why watches broke: the first 20. */
  readonly breaks: readonly string[];
}

/** One second of the run. */
export interface Sample {
  /** Seconds since the first answer. */
  readonly second: number;
  readonly ok: number;
  readonly failed: number;
  readonly inFlightLost: number;
  readonly watchBreaks: number;
  readonly slowestMs: number;
}

export interface LoadReport {
  readonly startedAt: number;
  /** When the first API server answered; until then nothing counts. Undefined: none ever did. */
  readonly firstAnswerAt?: number;
  readonly phases: readonly PhaseReport[];
  readonly timeline: readonly Sample[];
  /** How much the load generator itself was delayed: only a small lag makes the latencies above true. */
  readonly generatorLag: { readonly p99Ms: number; readonly maxMs: number };
  /** New connections that were not opened because the generator itself was late by more than a second. */
  readonly skipped: number;
}

/** Wall-clock times (ms since 1970) around a kill, taken on the machine by the command that kills. */
export interface KillWindow {
  readonly from: number;
  readonly to: number;
  /** Only connections from before this time are killed: those that a soft stop has kept until its time was over. @default all */
  readonly openedBefore?: number;
  /** Only these operations are lost, as writes are while etcd has no leader. @default all */
  readonly operations?: readonly string[];
}
