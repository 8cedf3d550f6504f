import { setTimeout as sleep } from "node:timers/promises";
import { WatchedEvents } from "./watched-events";
import type { Clock } from "./clock";
import type { Ledger } from "./ledger";
import type { Operations, Connection, Version } from "./operations";
import { Watch } from "./watch";

const REOPEN_MS = 100;
const GIVE_UP_MS = 30_000;

/** Shared by all watchers of a load. */
export interface WatcherContext {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly operations: Operations;
  readonly deadlineMs: number;
  /** How the watch of this number reaches the API in the current phase. */
  connection(index: number): Connection;
}

/**
 * Keeps one watch open, as an informer does: after a break it resumes from the last revision seen.
 */
export class Watcher {
  private readonly events: WatchedEvents;
  private watch: Watch | undefined;
  private openedAt = Infinity;
  private stopped = false;

  constructor(
    private readonly context: WatcherContext,
    private readonly index: number,
    revision: number,
  ) {
    this.events = new WatchedEvents(context.deadlineMs);
    this.events.startAfter(revision);
    this.open();
  }

  acknowledged(version: Version): void {
    this.events.acknowledged(version.sequence, version.revision, this.context.clock.steady());
  }

  /** Counts missed and late events, and replaces a watch that has gone silent. */
  check(): void {
    const { ledger, clock, deadlineMs } = this.context;
    const now = clock.steady();
    if (this.events.oldestWaitMs(now) > deadlineMs && now - this.openedAt > deadlineMs) {
      ledger.watchBreak(this.target(), `silent: an event did not arrive within ${deadlineMs} ms`);
      this.reopen();
    }
    this.events.giveUpAfter(GIVE_UP_MS, now);
    const { missed, late } = this.events.take();
    if (missed > 0) ledger.missedEvents(missed);
    if (late > 0) ledger.lateEvents(late);
  }

  /** Closes the watch and opens it to the current phase's target; not a break. */
  reopen(): void {
    this.watch?.close();
    this.open();
  }

  stop(): void {
    this.stopped = true;
    this.watch?.close();
  }

  private open(): void {
    if (this.stopped) return;
    const { ledger, clock, operations } = this.context;
    const pending = ledger.begin("watch", "WATCH", this.target());
    this.openedAt = Infinity;
    this.watch = new Watch(this.context.connection(this.index), operations, this.events.revision, {
      opened: () => {
        this.openedAt = clock.steady();
        ledger.ok(pending);
      },
      delivered: ({ sequence, revision }) =>
        this.events.delivered(sequence, revision, clock.steady()),
      refused: (error, gone) => {
        ledger.fail(pending, error.kind, error.message);
        void this.openAgain(gone);
      },
      ended: (reason, gone) => {
        ledger.watchBreak(pending.target, reason);
        void this.openAgain(gone);
      },
      closed: () => ledger.cancel(pending),
    });
  }

  private async openAgain(gone: boolean): Promise<void> {
    await sleep(REOPEN_MS);
    while (gone && !this.stopped) {
      try {
        const { revision } = await this.context.operations.get(this.context.connection(this.index));
        this.events.restartAfter(revision);
        break;
      } catch {
        await sleep(REOPEN_MS);
      }
    }
    this.open();
  }

  private target(): string {
    const { host, port } = this.context.connection(this.index).target;
    return `${host}:${port}`;
  }
}
