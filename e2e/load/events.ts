/** What became of the events of one watch since the last look. */
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
 * Follows which acknowledged writes one watch has shown. A watch shows the versions of one object in order, so a
 * version that is jumped over will never come: it is missed.
 */
export class WatchedEvents {
  private readonly waiting = new Map<number, Write>();
  // shown before the writer had its answer
  private readonly early = new Set<number>();
  private since = Infinity;
  private last = 0;
  private counts: EventCounts = { missed: 0, late: 0 };

  /** @param deadlineMs an event that takes longer is late */
  constructor(private readonly deadlineMs: number) {}

  /** The watch begins after this revision: earlier writes are not expected from it. */
  startAfter(revision: number): void {
    this.since = revision;
    this.last = revision;
  }

  /** The revision from which the watch can go on. */
  get revision(): number {
    return this.last;
  }

  /** A writer got its answer. */
  acknowledged(sequence: number, revision: number, now: number): void {
    if (revision <= this.since) return;
    if (this.early.delete(sequence)) return;
    if (revision <= this.last) this.counts.missed += 1;
    else this.waiting.set(sequence, { sequence, revision, acknowledged: now });
  }

  /** The watch showed a version. */
  shown(sequence: number, revision: number, now: number): void {
    if (revision <= this.last) return;
    this.last = revision;
    const write = this.waiting.get(sequence);
    this.waiting.delete(sequence);
    if (write === undefined) this.early.add(sequence);
    else if (now - write.acknowledged > this.deadlineMs) this.counts.late += 1;
    for (const other of this.waiting.values()) {
      if (other.revision < revision) this.miss(other);
    }
    // a write whose answer never came stays here: keep the newest only
    if (this.early.size > 1000)
      for (const old of [...this.early].slice(0, 500)) this.early.delete(old);
  }

  /** The watch could not go on from its revision: whatever it had not shown is missed. */
  restartAfter(revision: number): void {
    for (const write of this.waiting.values()) if (write.revision <= revision) this.miss(write);
    this.last = revision;
  }

  /** How long the oldest acknowledged write has been waiting to be shown, in ms. */
  oldestWaitMs(now: number): number {
    let oldest = now;
    for (const write of this.waiting.values()) oldest = Math.min(oldest, write.acknowledged);
    return now - oldest;
  }

  /** Gives up what waits for longer than `ms`. */
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
