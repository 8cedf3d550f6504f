/**
 * One address at which the control plane is reached: its endpoint, or one load balancer behind it.
 */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/** The rates and limits of a load. */
export interface LoadOptions {
  /** The control-plane endpoint. */
  readonly endpoint: Target;
  /** Kubeconfig text, if it is known already; otherwise call `setCredentials` later. */
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
  readonly alsoThrough?: readonly Target[];
}

/** Options of one phase. */
export interface PhaseOptions {
  /** The only targets of the load during the phase, in turn. @default the endpoint */
  readonly through?: readonly Target[];
  /**
   * Watches and keep-alive clients open new connections before the phase counts as open. Otherwise
   * they keep theirs, for example through the forward long after HAProxy has taken over.
   * @default false
   */
  readonly reconnect?: boolean;
}

/** The three ways in which clients use the endpoint, each counted on its own. */
export type Channel = "new" | "reused" | "watch";

/**
 * What went wrong: connection refused; reset or closed before the end of the response; no complete
 * response by the deadline; TLS; another network error; 5xx; 429; an unexpected status; an
 * unexpected body.
 */
export type FailureKind =
  "refused" | "reset" | "timeout" | "tls" | "network" | "5xx" | "429" | "status" | "body";

export interface Failure {
  readonly channel: Channel;
  readonly kind: FailureKind;
  readonly message: string;
  /** "GET", "LIST", "PATCH", "WATCH" or "VERSION". */
  readonly operation: string;
  /** HOST:PORT that the request was sent to. */
  readonly target: string;
  /** Start, ms since 1970. */
  readonly at: number;
  /** Start of its connection; for a new connection the same as `at`. */
  readonly connectedAt: number;
  /** From the start to the failure. */
  readonly afterMs: number;
}

/**
 * Why a request that got no good answer is not counted as failed. Each is measured, never assumed:
 * - in flight: it was under way when a process or machine was killed (`markKill`).
 * - stalled: its deadline came while the load generator itself stood still.
 * - election: a write while etcd had no leader (`markElections`).
 */
export type Cause = "in flight" | "stalled" | "election";

/** A cause with the kill, stall or election that was measured. */
export interface MeasuredCause {
  readonly cause: Cause;
  readonly period: Period;
}

/** A request without a good answer, and the measured cause. */
export interface LostRequest extends Failure, MeasuredCause {}

/** Wall-clock times, in ms since 1970. */
export interface Period {
  readonly from: number;
  readonly to: number;
}

/** Counts of one channel in one phase; a request belongs to the phase in which it began. */
export interface ChannelReport {
  readonly sent: number;
  readonly ok: number;
  readonly failed: number;
  /** Lost for any measured cause. */
  readonly lost: number;
  /** Longest time without a good answer; 0 for watches. */
  readonly longestGapMs: number;
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
   * Requests in flight at a kill that were reset or timed out. A request on a kept connection
   * counts too if it began within 0.5 s of the kill, before the client could learn that the
   * connection was gone.
   */
  readonly inFlight: number;
  /** Requests whose deadline fell into a measured stall of the load generator. */
  readonly stalled: number;
  /**
   * The longest measured stall of the generator in this phase, in ms; 0: none of 200 ms or more.
   */
  readonly longestStallMs: number;
  /** Writes lost during a measured election of etcd. */
  readonly lostInElection: number;
  /** The longest measured election in this phase, in ms: writes may take that long. 0: none. */
  readonly longestElectionMs: number;
  /** Requests without an outcome yet; 0 in a closed phase. */
  readonly pending: number;
  /** Watches that ended or went silent although the load did not close them. */
  readonly watchBreaks: number;
  /** Acknowledged writes that a watch never delivered. */
  readonly missedEvents: number;
  /** Writes that a watch delivered after the deadline. */
  readonly lateEvents: number;
  /** Longest time without a good answer on new connections. */
  readonly longestGapMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly newConnections: ChannelReport;
  readonly reused: ChannelReport;
  readonly watches: ChannelReport;
  /** The first 20 failed requests; the counts are complete. */
  readonly failures: readonly Failure[];
  /** The first 20 lost requests. */
  readonly lost: readonly LostRequest[];
  /** Why watches broke, the first 20. */
  readonly breaks: readonly string[];
}

/** One second of the run. */
export interface Sample {
  /** Seconds since the first answer. */
  readonly second: number;
  readonly ok: number;
  readonly failed: number;
  /** Lost for any measured cause. */
  readonly lost: number;
  readonly watchBreaks: number;
  readonly slowestMs: number;
}

export interface LoadReport {
  readonly startedAt: number;
  /**
   * When the first API server answered; nothing counts before that. Undefined: none ever answered.
   */
  readonly firstAnswerAt?: number;
  readonly phases: readonly PhaseReport[];
  readonly timeline: readonly Sample[];
  /** Delay of the generator's event loop. The latencies above include it. */
  readonly generatorLag: { readonly p99Ms: number; readonly maxMs: number };
  /** New connections not opened because the generator itself was late by more than a second. */
  readonly skipped: number;
}

/** The time around a kill, taken on the machine by the command that kills. */
export interface KillWindow extends Period {
  /**
   * Only connections opened before this time are cut, such as those that a drain has kept.
   * @default all
   */
  readonly openedBefore?: number;
}
