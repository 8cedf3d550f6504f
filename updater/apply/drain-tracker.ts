/** Which slots of HAProxy drain: state of the running HAProxy, not of the desired backends. */
import type { Backend } from "../../haproxy/model";
import { ADMIN, type Snapshot } from "../../haproxy/runtime";
import type { DesiredSlots, SlotChange } from "./desired-slots";

/** A slot whose backend is removed, and whose sessions may still end by themselves. */
export interface Draining {
  readonly backend: Backend;
  /** Then its sessions are shut down, on the clock of `nowMs`. */
  readonly untilMs: number;
}

/** The part of a change that drains slots, or uses them again. */
type PlannedChange = Pick<SlotChange, "steps"> & { readonly desired: SlotsOnly };
type SlotsOnly = Pick<DesiredSlots, "slots">;

/** Remembers backend and deadline of each draining slot, the oldest first. */
export class DrainTracker {
  /** Replaced, never changed: `plan` can go back to it. */
  #draining: ReadonlyMap<number, Draining> = new Map();

  get slots(): ReadonlyMap<number, Draining> {
    return this.#draining;
  }

  /** The draining backends by slot. */
  get backends(): ReadonlyMap<number, Backend> {
    return new Map([...this.#draining].map(([slot, { backend }]) => [slot, backend]));
  }

  /**
   * A change is about to be applied: its removed backends drain from now on, and slots with a
   * backend do not. @returns a function that takes this back
   */
  plan({ desired, steps }: PlannedChange, untilMs: number): () => void {
    const before = this.#draining;
    const draining = new Map(before);
    for (const { kind, slot, backend } of steps) {
      draining.delete(slot);
      if (kind === "drain" && isEmpty(desired, slot)) draining.set(slot, { backend, untilMs });
    }
    this.#draining = draining;
    return () => (this.#draining = before);
  }

  /** HAProxy drains this slot; a slot that drains already keeps its deadline. */
  begin(slot: number, draining: Draining): void {
    if (!this.#draining.has(slot)) this.#draining = new Map(this.#draining).set(slot, draining);
  }

  /** HAProxy has closed this slot. */
  end(slot: number): void {
    const draining = new Map(this.#draining);
    draining.delete(slot);
    this.#draining = draining;
  }

  /** Slots that HAProxy has closed itself: after a restart it has those of its file. */
  endClosed({ servers }: Snapshot): void {
    for (const slot of this.#draining.keys()) {
      const closed = servers
        .filter((server) => server.slot === slot)
        .every(({ admin }) => (admin & ADMIN.maintenance) !== 0);
      if (closed) this.end(slot);
    }
  }
}

function isEmpty({ slots }: SlotsOnly, slot: number): boolean {
  return slots[slot] === undefined;
}
