import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import type {
  Channel,
  ChannelReport,
  Failure,
  FailureKind,
  KillWindow,
  PhaseReport,
  Sample,
} from "./types";

const SHOWN = 20;
const CHANNELS: readonly Channel[] = ["new", "reused", "watch"];
// what a kill does to a request under way; everything else is a failure whenever it began
const BROKEN_BY_KILL: ReadonlySet<FailureKind> = new Set(["reset", "timeout"]);

/** A client that learns so late of the end of its connection has a busy load balancer, and no broken one. */
const NEWS_MS = 500;

/** Two clocks: `wall` in ms since 1970 says when, `steady` in ms says how long. */
export interface Clock {
  wall(): number;
  steady(): number;
}

interface ChannelBook {
  sent: number;
  ok: number;
  maxGapMs: number;
  lastOk: number;
  readonly latency: RecordableHistogram;
}

interface Phase {
  readonly name: string;
  startedAt: number;
  endedAt?: number;
  readonly channels: Record<Channel, ChannelBook>;
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
 * The books of the load: a request counts in the phase in which it began, a break of a watch in the phase in
 * which it happened. Nothing counts before the first good answer. What was in flight at a kill is decided when
 * a report is asked for, so the time of the kill may become known after the failures.
 */
export class Ledger {
  firstAnswerAt: number | undefined;
  private readonly phases: Phase[] = [];
  private readonly kills: KillWindow[] = [];
  private readonly seconds: Second[] = [];

  constructor(private readonly clock: Clock) {}

  /** Opens a phase; resolves when every request of the former one has its outcome. */
  openPhase(name: string): Promise<void> {
    const former = this.phases.at(-1);
    const steady = this.clock.steady();
    const channels = Object.fromEntries(
      CHANNELS.map((channel) => [channel, newChannel(former?.channels[channel].lastOk ?? steady)]),
    ) as Record<Channel, ChannelBook>;
    if (former !== undefined) {
      former.endedAt = this.clock.wall();
      for (const channel of CHANNELS) this.noteGap(former.channels[channel], steady);
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
    if (former === undefined || former.pending === 0) return Promise.resolve();
    return new Promise((resolve) => former.onSettled.push(resolve));
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

  /** Books a good answer; the first one starts the counting. */
  ok(pending: PendingRequest): void {
    const steady = this.clock.steady();
    if (this.firstAnswerAt === undefined) {
      this.firstAnswerAt = this.clock.wall();
      this.current().startedAt = this.firstAnswerAt;
      for (const book of Object.values(this.current().channels)) book.lastOk = steady;
    }
    const latencyMs = steady - pending.steady;
    const now = this.current().channels[pending.channel];
    this.noteGap(now, steady);
    now.lastOk = steady;
    if (pending.phase === undefined) return;
    const book = pending.phase.channels[pending.channel];
    book.ok += 1;
    book.latency.record(Math.max(1, Math.round(latencyMs * 1000)));
    const second = this.second();
    second.ok += 1;
    second.slowestMs = Math.max(second.slowestMs, latencyMs);
    this.settle(pending.phase);
  }

  /** @param connectedAt start of the connection, if it is older than the request */
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

  /** Takes a request back that the load itself gave up, with no outcome. */
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

  /** Requests under way at any time of this window that are reset or time out are `inFlightLost`. */
  markKill(window: KillWindow): void {
    this.kills.push(window);
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
      if (this.wasInFlight(failure)) entry.lost += 1;
      else entry.failed += 1;
      failed.set(index, entry);
    }
    const last = Math.max(this.seconds.length - 1, ...failed.keys());
    return Array.from({ length: last + 1 }, (_, second) => ({
      second,
      ok: this.seconds[second]?.ok ?? 0,
      failed: failed.get(second)?.failed ?? 0,
      inFlightLost: failed.get(second)?.lost ?? 0,
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

  private noteGap(book: ChannelBook, steady: number): void {
    if (this.firstAnswerAt === undefined) return;
    book.maxGapMs = Math.max(book.maxGapMs, steady - book.lastOk);
  }

  private secondOf(wall: number): number {
    return Math.max(0, Math.floor((wall - (this.firstAnswerAt ?? wall)) / 1000));
  }

  private second(): Second {
    const index = this.secondOf(this.clock.wall());
    return (this.seconds[index] ??= { ok: 0, watchBreaks: 0, slowestMs: 0 });
  }

  private wasInFlight(failure: Failure): boolean {
    if (!BROKEN_BY_KILL.has(failure.kind)) return false;
    const end = failure.at + failure.afterMs;
    return this.kills.some(
      ({ from, to, openedBefore, operations }) =>
        end >= from &&
        (operations?.includes(failure.operation) ?? true) &&
        (openedBefore === undefined
          ? failure.at <= to || (failure.connectedAt <= to && failure.at <= to + NEWS_MS)
          : failure.at <= to && failure.connectedAt < openedBefore),
    );
  }

  private report(phase: Phase): PhaseReport {
    const lost = phase.failures.filter((failure) => this.wasInFlight(failure));
    const failures = phase.failures.filter((failure) => !this.wasInFlight(failure));
    const open = phase.endedAt === undefined;
    const channel = (name: Channel): ChannelReport => {
      const book = phase.channels[name];
      if (open) this.noteGap(book, this.clock.steady());
      const percentile = (percent: number) =>
        book.ok === 0 ? 0 : round(book.latency.percentile(percent) / 1000);
      return {
        sent: book.sent,
        ok: book.ok,
        failed: failures.filter((failure) => failure.channel === name).length,
        inFlightLost: lost.filter((failure) => failure.channel === name).length,
        maxGapMs: name === "watch" ? 0 : round(book.maxGapMs),
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
      seconds: round(((phase.endedAt ?? this.clock.wall()) - phase.startedAt) / 1000),
      sent: sum((report) => report.sent),
      ok: sum((report) => report.ok),
      failed: failures.length,
      inFlightLost: lost.length,
      pending: phase.pending,
      watchBreaks: phase.watchBreaks,
      missedEvents: phase.missedEvents,
      lateEvents: phase.lateEvents,
      maxGapMs: reports.new.maxGapMs,
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

function newChannel(lastOk: number): ChannelBook {
  // microseconds, three digits: exact enough, and the memory stays the same however long the run is
  return { sent: 0, ok: 0, maxGapMs: 0, lastOk, latency: createHistogram() };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
