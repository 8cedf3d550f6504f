import { setTimeout as sleep } from "node:timers/promises";
import { WatchedEvents } from "./events";
import type { Clock, Ledger } from "./ledger";
import type { Operations, Way, Written } from "./operations";
import { Watch } from "./watch";

const REOPEN_MS = 100;
const GIVE_UP_MS = 30_000;

/** What the watchers share. */
export interface WatcherContext {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly operations: Operations;
  readonly deadlineMs: number;
  /** How the watch of this number goes in the present phase. */
  way(index: number): Way;
}

/** Keeps one watch open, as an informer does: after a break it goes on from the last revision it has seen. */
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

  acknowledged(written: Written): void {
    this.events.acknowledged(written.sequence, written.revision, this.context.clock.steady());
  }

  /** Books what was missed or late, and replaces a watch that shows nothing any more. */
  check(): void {
    const { ledger, clock, deadlineMs } = this.context;
    const now = clock.steady();
    if (this.events.oldestWaitMs(now) > deadlineMs && now - this.openedAt > deadlineMs) {
      ledger.watchBreak(this.target(), `silent: an event did not come within ${deadlineMs} ms`);
      this.reopen();
    }
    this.events.giveUpAfter(GIVE_UP_MS, now);
    const { missed, late } = this.events.take();
    if (missed > 0) ledger.missedEvents(missed);
    if (late > 0) ledger.lateEvents(late);
  }

  /** Closes the watch and opens it at once by the present phase's way; not a break. */
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
    this.watch = new Watch(this.context.way(this.index), operations, this.events.revision, {
      opened: () => {
        this.openedAt = clock.steady();
        ledger.ok(pending);
      },
      shown: ({ sequence, revision }) => this.events.shown(sequence, revision, clock.steady()),
      refused: (error, gone) => {
        ledger.fail(pending, error.kind, error.message);
        void this.again(gone);
      },
      ended: (reason, gone) => {
        ledger.watchBreak(pending.target, reason);
        void this.again(gone);
      },
      closed: () => ledger.cancel(pending),
    });
  }

  private async again(gone: boolean): Promise<void> {
    await sleep(REOPEN_MS);
    while (gone && !this.stopped) {
      try {
        const { revision } = await this.context.operations.get(this.context.way(this.index));
        this.events.restartAfter(revision);
        break;
      } catch {
        await sleep(REOPEN_MS);
      }
    }
    this.open();
  }

  private target(): string {
    const { host, port } = this.context.way(this.index).target;
    return `${host}:${port}`;
  }
}
