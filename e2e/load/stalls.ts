import type { Clock } from "./clock";
import type { Period } from "./types";

/** Shorter pauses of the event loop do not matter to deadlines of seconds. */
export const STALL_MS = 200;

/** Measures stalls of this process: no timer fired for `STALL_MS` or longer. */
export class StallMeter {
  private last: number;

  constructor(
    private readonly clock: Clock,
    private readonly onStall: (stall: Period) => void,
  ) {
    this.last = clock.steady();
  }

  /** Call it every few milliseconds. */
  tick(): void {
    const now = this.clock.steady();
    const pauseMs = now - this.last;
    this.last = now;
    const to = this.clock.wall();
    if (pauseMs >= STALL_MS) this.onStall({ from: to - pauseMs, to });
  }
}
