import type { Failure, FailureKind, KillWindow, MeasuredCause, Period } from "./types";

/** What a kill does to a request in flight; any other kind is a failure. */
const BROKEN_BY_KILL: ReadonlySet<FailureKind> = new Set(["reset", "timeout"]);

/** A client may notice the end of its connection this late. */
const RESET_DELAY_MS = 500;

/** The only operation of the load that writes: API servers repeat reads, but not writes. */
const WRITE = "PATCH";

/** An API server passes etcd's own errors on in a 500. */
const ETCD_ERROR = /"etcdserver: /;

/** The measured causes, outside the load balancer, of lost requests. */
export class Causes {
  private readonly kills: KillWindow[] = [];
  private readonly stalls: Period[] = [];
  private elections: readonly Period[] = [];

  /** @param deadlineMs of the load's requests */
  constructor(private readonly deadlineMs: number) {}

  addKill(window: KillWindow): void {
    this.kills.push(window);
  }

  /** A stall of the load generator. */
  addStall(stall: Period): void {
    this.stalls.push(stall);
  }

  /** Periods in which etcd had no leader or a dead one. Replaces those of earlier calls. */
  setElections(elections: readonly Period[]): void {
    this.elections = elections;
  }

  /** The longest stall of the generator that overlaps a period, in ms. */
  longestStallMs(period: Period): number {
    return longestOverlapping(period, this.stalls);
  }

  /** The longest election that overlaps a period, in ms. */
  longestElectionMs(period: Period): number {
    return longestOverlapping(period, this.elections);
  }

  /** The measured cause of a lost request. Undefined: the request failed. */
  of(failure: Failure): MeasuredCause | undefined {
    const kill = this.kill(failure);
    if (kill !== undefined) return { cause: "in flight", period: periodOf(kill) };
    const stall = this.stall(failure);
    if (stall !== undefined) return { cause: "stalled", period: periodOf(stall) };
    const election = this.election(failure);
    if (election !== undefined) return { cause: "election", period: periodOf(election) };
    return undefined;
  }

  private kill(failure: Failure): Period | undefined {
    if (!BROKEN_BY_KILL.has(failure.kind)) return undefined;
    const { at, connectedAt } = failure;
    return this.kills.find(({ from, to, openedBefore }) => {
      if (endOf(failure) <= from) return false;
      if (openedBefore !== undefined) return at <= to && connectedAt < openedBefore;
      return at <= to || (connectedAt <= to && at <= to + RESET_DELAY_MS);
    });
  }

  /** At the deadline the generator could not read a response that may have arrived. */
  private stall(failure: Failure): Period | undefined {
    if (failure.kind !== "timeout") return undefined;
    const deadline = failure.at + this.deadlineMs;
    return this.stalls.find(({ from, to }) => from <= deadline && deadline <= to);
  }

  private election(failure: Failure): Period | undefined {
    const { operation, kind, message, at } = failure;
    if (operation !== WRITE) return undefined;
    if (!BROKEN_BY_KILL.has(kind) && !(kind === "5xx" && ETCD_ERROR.test(message)))
      return undefined;
    return this.elections.find(({ from, to }) => at <= to && endOf(failure) > from);
  }
}

function longestOverlapping({ from, to }: Period, periods: readonly Period[]): number {
  const overlapping = periods.filter((period) => period.from <= to && period.to >= from);
  return Math.max(0, ...overlapping.map((period) => period.to - period.from));
}

function periodOf({ from, to }: Period): Period {
  return { from, to };
}

/** The latest moment at which the request can have ended: `at` is a whole millisecond, cut off. */
function endOf({ at, afterMs }: Failure): number {
  return at + 1 + afterMs;
}
