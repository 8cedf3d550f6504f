import type { PhaseReport } from "../load/load";

/** What a phase of the load must show. */
export interface Expectation {
  /** No request fails and no event is missed. Requests lost for a measured cause do not count. */
  readonly nothingFails: boolean;
  /**
   * `nothingFails` is of new connections only: kept connections and watches may break with the
   * machine at their other end. @default false
   */
  readonly newConnectionsOnly?: boolean;
  /** Longest time without an answer on new connections, in ms. @default unlimited */
  readonly longestGapMs?: number;
}

/** A phase, what was expected of it and how it deviated. */
export interface JudgedPhase extends PhaseReport {
  readonly expectation: Expectation;
  /** Empty: the expectation is met. */
  readonly deviations: readonly string[];
}

/** Compares a phase with its expectation. */
export function judge(phase: PhaseReport, expectation: Expectation): JudgedPhase {
  const { nothingFails, newConnectionsOnly = false, longestGapMs } = expectation;
  const failed = newConnectionsOnly ? phase.newConnections.failed : phase.failed;
  const deviations: string[] = [];
  if (phase.ok === 0) deviations.push("no request was answered");
  if (nothingFails && failed > 0) deviations.push(`${failed} requests failed`);
  if (nothingFails && phase.missedEvents > 0) {
    deviations.push(`watches missed ${phase.missedEvents} events`);
  }
  if (longestGapMs !== undefined && phase.longestGapMs > longestGapMs) {
    deviations.push(`longest gap ${phase.longestGapMs} ms, expected at most ${longestGapMs} ms`);
  }
  return { ...phase, expectation, deviations };
}
