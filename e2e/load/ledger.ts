import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import type { Causes } from "./causes";
import type { Clock } from "./clock";
import type {
  Cause,
  Channel,
  ChannelReport,
  Failure,
  FailureKind,
  LostRequest,
  PhaseReport,
  Sample,
} from "./types";

const SHOWN = 20;
const CHANNELS: readonly Channel[] = ["new", "reused", "watch"];

interface ChannelCounts {
  sent: number;
  ok: number;
  longestGapMs: number;
  lastOk: number;
  readonly latency: RecordableHistogram;
}

interface Phase {
  readonly name: string;
  startedAt: number;
  endedAt?: number;
  readonly channels: Record<Channel, ChannelCounts>;
  readonly failures: Failure[];
  readonly breaks: string[];
  watchBreaks: number;
  missedEvents: number;
  lateEvents: number;
  pending: number;
  onSettled: (() => void)[];
}

interface Second {
  ok: number;
  watchBreaks: number;
  slowestMs: number;
}

/** A request that has begun. */
export interface PendingRequest {
  readonly channel: Channel;
  readonly operation: string;
  readonly target: string;
  readonly at: number;
  readonly steady: number;
  readonly phase: Phase | undefined;
}

/**
 * Counts the load: a request in the phase in which it began, a break of a watch in the phase in
 * which it happened, nothing before the first good answer. Causes are looked up when a report is
 * made, so a cause may become known after the failure.
 */
export class Ledger {
  firstAnswerAt: number | undefined;
  private readonly phases: Phase[] = [];
  private readonly seconds: Second[] = [];

  constructor(
    private readonly clock: Clock,
    private readonly causes: Causes,
  ) {}

  /** Opens a phase; resolves when every request of the previous phase has its outcome. */
  openPhase(name: string): Promise<void> {
    const previous = this.phases.at(-1);
    const steady = this.clock.steady();
    const channels = Object.fromEntries(
      CHANNELS.map((channel) => [
        channel,
        newChannel(previous?.channels[channel].lastOk ?? steady),
      ]),
    ) as Record<Channel, ChannelCounts>;
    if (previous !== undefined) {
      previous.endedAt = this.clock.wall();
      for (const channel of CHANNELS) this.noteGap(previous.channels[channel], steady);
    }
    this.phases.push({
      name,
      startedAt: this.clock.wall(),
      channels,
      failures: [],
      breaks: [],
      watchBreaks: 0,
      missedEvents: 0,
      lateEvents: 0,
      pending: 0,
      onSettled: [],
    });
    if (previous === undefined || previous.pending === 0) return Promise.resolve();
    return new Promise((resolve) => previous.onSettled.push(resolve));
  }

  begin(channel: Channel, operation: string, target: string): PendingRequest {
    const phase = this.firstAnswerAt === undefined ? undefined : this.current();
    if (phase !== undefined) {
      phase.channels[channel].sent += 1;
      phase.pending += 1;
    }
    return {
      channel,
      operation,
      target,
      at: this.clock.wall(),
      steady: this.clock.steady(),
      phase,
    };
  }

  /** Counts a good answer; the first one starts the counting. */
  ok(pending: PendingRequest): void {
    const steady = this.clock.steady();
    if (this.firstAnswerAt === undefined) {
      this.firstAnswerAt = this.clock.wall();
      this.current().startedAt = this.firstAnswerAt;
      for (const counts of Object.values(this.current().channels)) counts.lastOk = steady;
    }
    const latencyMs = steady - pending.steady;
    const now = this.current().channels[pending.channel];
    this.noteGap(now, steady);
    now.lastOk = steady;
    if (pending.phase === undefined) return;
    const counts = pending.phase.channels[pending.channel];
    counts.ok += 1;
    counts.latency.record(Math.max(1, Math.round(latencyMs * 1000)));
    const second = this.second();
    second.ok += 1;
    second.slowestMs = Math.max(second.slowestMs, latencyMs);
    this.settle(pending.phase);
  }

  /**
   * Counts a request without a good answer.
   * @param connectedAt start of the connection, if older than the request
   */
  fail(
    pending: PendingRequest,
    kind: FailureKind,
    message: string,
    connectedAt = pending.at,
  ): void {
    if (pending.phase === undefined) return;
    const afterMs = this.clock.steady() - pending.steady;
    const { channel, operation, target, at } = pending;
    const failure = { channel, kind, message, operation, target, at, connectedAt, afterMs };
    pending.phase.failures.push(failure);
    this.settle(pending.phase);
  }

  /** Uncounts a request that the load itself gave up. */
  cancel(pending: PendingRequest): void {
    if (pending.phase === undefined) return;
    pending.phase.channels[pending.channel].sent -= 1;
    this.settle(pending.phase);
  }

  watchBreak(target: string, reason: string): void {
    if (this.firstAnswerAt === undefined) return;
    const phase = this.current();
    phase.watchBreaks += 1;
    if (phase.breaks.length < SHOWN) phase.breaks.push(`${target}: ${reason}`);
    this.second().watchBreaks += 1;
  }

  missedEvents(count: number): void {
    this.current().missedEvents += count;
  }

  lateEvents(count: number): void {
    this.current().lateEvents += count;
  }

  phaseReports(): PhaseReport[] {
    return this.phases.map((phase) => this.report(phase));
  }

  timeline(): Sample[] {
    if (this.firstAnswerAt === undefined) return [];
    const failed = new Map<number, { failed: number; lost: number }>();
    for (const failure of this.phases.flatMap((phase) => phase.failures)) {
      const index = this.secondOf(failure.at + failure.afterMs);
      const entry = failed.get(index) ?? { failed: 0, lost: 0 };
      if (this.causes.of(failure) === undefined) entry.failed += 1;
      else entry.lost += 1;
      failed.set(index, entry);
    }
    const last = Math.max(this.seconds.length - 1, ...failed.keys());
    return Array.from({ length: last + 1 }, (_, second) => ({
      second,
      ok: this.seconds[second]?.ok ?? 0,
      failed: failed.get(second)?.failed ?? 0,
      lost: failed.get(second)?.lost ?? 0,
      watchBreaks: this.seconds[second]?.watchBreaks ?? 0,
      slowestMs: round(this.seconds[second]?.slowestMs ?? 0),
    }));
  }

  private current(): Phase {
    const phase = this.phases.at(-1);
    if (phase === undefined) throw new Error("the ledger has no phase: call openPhase first");
    return phase;
  }

  private settle(phase: Phase): void {
    phase.pending -= 1;
    if (phase.pending > 0 || phase.endedAt === undefined) return;
    for (const resolve of phase.onSettled.splice(0)) resolve();
  }

  private noteGap(counts: ChannelCounts, steady: number): void {
    if (this.firstAnswerAt === undefined) return;
    counts.longestGapMs = Math.max(counts.longestGapMs, steady - counts.lastOk);
  }

  private secondOf(wall: number): number {
    return Math.max(0, Math.floor((wall - (this.firstAnswerAt ?? wall)) / 1000));
  }

  private second(): Second {
    const index = this.secondOf(this.clock.wall());
    return (this.seconds[index] ??= { ok: 0, watchBreaks: 0, slowestMs: 0 });
  }

  private report(phase: Phase): PhaseReport {
    const failures: Failure[] = [];
    const lost: LostRequest[] = [];
    for (const failure of phase.failures) {
      const cause = this.causes.of(failure);
      if (cause === undefined) failures.push(failure);
      else lost.push({ ...failure, ...cause });
    }
    const lostBy = (cause: Cause) => lost.filter((request) => request.cause === cause).length;
    const endedAt = phase.endedAt ?? this.clock.wall();
    const period = { from: phase.startedAt, to: endedAt };
    const open = phase.endedAt === undefined;
    const channel = (name: Channel): ChannelReport => {
      const counts = phase.channels[name];
      if (open) this.noteGap(counts, this.clock.steady());
      const percentile = (percent: number) =>
        counts.ok === 0 ? 0 : round(counts.latency.percentile(percent) / 1000);
      return {
        sent: counts.sent,
        ok: counts.ok,
        failed: failures.filter((failure) => failure.channel === name).length,
        lost: lost.filter((request) => request.channel === name).length,
        longestGapMs: name === "watch" ? 0 : round(counts.longestGapMs),
        p50Ms: percentile(50),
        p99Ms: percentile(99),
        maxMs: percentile(100),
      };
    };
    const reports = { new: channel("new"), reused: channel("reused"), watch: channel("watch") };
    const sum = (pick: (report: ChannelReport) => number) =>
      CHANNELS.reduce((total, name) => total + pick(reports[name]), 0);
    return {
      name: phase.name,
      startedAt: phase.startedAt,
      seconds: round((endedAt - phase.startedAt) / 1000),
      sent: sum((report) => report.sent),
      ok: sum((report) => report.ok),
      failed: failures.length,
      inFlight: lostBy("in flight"),
      stalled: lostBy("stalled"),
      longestStallMs: round(this.causes.longestStallMs(period)),
      lostInElection: lostBy("election"),
      longestElectionMs: round(this.causes.longestElectionMs(period)),
      pending: phase.pending,
      watchBreaks: phase.watchBreaks,
      missedEvents: phase.missedEvents,
      lateEvents: phase.lateEvents,
      longestGapMs: reports.new.longestGapMs,
      p50Ms: reports.new.p50Ms,
      p99Ms: reports.new.p99Ms,
      newConnections: reports.new,
      reused: reports.reused,
      watches: reports.watch,
      failures: failures.slice(0, SHOWN),
      lost: lost.slice(0, SHOWN),
      breaks: phase.breaks,
    };
  }
}

function newChannel(lastOk: number): ChannelCounts {
  // microseconds with three digits: exact enough, with constant memory
  return { sent: 0, ok: 0, longestGapMs: 0, lastOk, latency: createHistogram() };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
