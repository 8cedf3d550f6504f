/** Missed and late events of one watch since the last `take`. */
export interface EventCounts {
  missed: number;
  late: number;
}

interface Write {
  readonly sequence: number;
  readonly revision: number;
  readonly acknowledged: number;
}

/**
 * Tracks which acknowledged writes one watch has delivered. A watch delivers the versions of one
 * object in order, so a version that is skipped will never arrive: it is missed.
 */
export class WatchedEvents {
  private readonly waiting = new Map<number, Write>();
  // delivered before the writer got its response
  private readonly early = new Set<number>();
  private since = Infinity;
  private last = 0;
  private counts: EventCounts = { missed: 0, late: 0 };

  /** @param deadlineMs an event that arrives later than this after its acknowledgement is late */
  constructor(private readonly deadlineMs: number) {}

  /** The watch begins after this revision: earlier writes are not expected. */
  startAfter(revision: number): void {
    this.since = revision;
    this.last = revision;
  }

  /** The revision from which the watch can resume. */
  get revision(): number {
    return this.last;
  }

  /** A writer got its response. */
  acknowledged(sequence: number, revision: number, now: number): void {
    if (revision <= this.since) return;
    if (this.early.delete(sequence)) return;
    if (revision <= this.last) this.counts.missed += 1;
    else this.waiting.set(sequence, { sequence, revision, acknowledged: now });
  }

  /** The watch delivered a version. */
  delivered(sequence: number, revision: number, now: number): void {
    if (revision <= this.last) return;
    this.last = revision;
    const write = this.waiting.get(sequence);
    this.waiting.delete(sequence);
    if (write === undefined) this.early.add(sequence);
    else if (now - write.acknowledged > this.deadlineMs) this.counts.late += 1;
    for (const other of this.waiting.values()) {
      if (other.revision < revision) this.miss(other);
    }
    // a write whose response never came stays here: keep the newest only
    if (this.early.size > 1000)
      for (const old of [...this.early].slice(0, 500)) this.early.delete(old);
  }

  /** The watch could not resume from its revision: what it had not delivered is missed. */
  restartAfter(revision: number): void {
    for (const write of this.waiting.values()) if (write.revision <= revision) this.miss(write);
    this.last = revision;
  }

  /** For how long the oldest acknowledged write has not been delivered, in ms. */
  oldestWaitMs(now: number): number {
    let oldest = now;
    for (const write of this.waiting.values()) oldest = Math.min(oldest, write.acknowledged);
    return now - oldest;
  }

  /** Writes not delivered for longer than `ms` are missed. */
  giveUpAfter(ms: number, now: number): void {
    for (const write of this.waiting.values()) if (now - write.acknowledged > ms) this.miss(write);
  }

  /** The counts since the last call. */
  take(): EventCounts {
    const counts = this.counts;
    this.counts = { missed: 0, late: 0 };
    return counts;
  }

  private miss(write: Write): void {
    this.waiting.delete(write.sequence);
    this.counts.missed += 1;
  }
}
