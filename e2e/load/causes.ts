import type { Cause, Failure, FailureKind, KillWindow, Period } from "./types";

/** What a kill does to a request under way; everything else is a failure whenever it began. */
const BROKEN_BY_KILL: ReadonlySet<FailureKind> = new Set(["reset", "timeout"]);

/** A client that learns so late of the end of its connection has a busy load balancer, not a broken one. */
const RESET_DELAY_MS = 500;

/** The only operation of the load that etcd cannot do without a leader and that nobody repeats. */
const WRITE = "PATCH";

/** The API server passes etcd's own errors on in a 500. */
const ETCD_ERROR = /"etcdserver: /;

/** Everything measured outside of the load balancer that may have cost the load a request. */
export class Causes {
  private readonly kills: KillWindow[] = [];
  private readonly stalls: Period[] = [];
  private elections: readonly Period[] = [];

  /** @param deadlineMs of the load's requests */
  constructor(private readonly deadlineMs: number) {}

  addKill(window: KillWindow): void {
    this.kills.push(window);
  }

  /** The load generator itself stood still. */
  addStall(stall: Period): void {
    this.stalls.push(stall);
  }

  /** When etcd had no leader or followed a dead one; replaces those of earlier calls. */
  setElections(elections: readonly Period[]): void {
    this.elections = elections;
  }

  /** The longest measured stall of the generator that reaches into a period, in ms. */
  longestStallMs({ from, to }: Period): number {
    const lengths = this.stalls
      .filter((stall) => stall.from <= to && stall.to >= from)
      .map((stall) => stall.to - stall.from);
    return Math.max(0, ...lengths);
  }

  /** Undefined: it is a failure. */
  of(failure: Failure): Cause | undefined {
    if (this.inFlight(failure)) return "in flight";
    if (this.stalled(failure)) return "stalled";
    if (this.inElection(failure)) return "election";
    return undefined;
  }

  private inFlight(failure: Failure): boolean {
    if (!BROKEN_BY_KILL.has(failure.kind)) return false;
    const { at, connectedAt } = failure;
    return this.kills.some(({ from, to, openedBefore }) => {
      if (endOf(failure) < from) return false;
      if (openedBefore !== undefined) return at <= to && connectedAt < openedBefore;
      return at <= to || (connectedAt <= to && at <= to + RESET_DELAY_MS);
    });
  }

  /** The answer may have been there: when the deadline came, the generator could not look. */
  private stalled(failure: Failure): boolean {
    const deadline = failure.at + this.deadlineMs;
    return (
      failure.kind === "timeout" &&
      this.stalls.some(({ from, to }) => from <= deadline && deadline <= to)
    );
  }

  private inElection(failure: Failure): boolean {
    const { operation, kind, message, at } = failure;
    if (operation !== WRITE) return false;
    if (!BROKEN_BY_KILL.has(kind) && !(kind === "5xx" && ETCD_ERROR.test(message))) return false;
    return this.elections.some(({ from, to }) => at <= to && endOf(failure) >= from);
  }
}

function endOf({ at, afterMs }: Failure): number {
  return at + afterMs;
}
