/** The wanted backends in their slots, and the step from one set to the next. Pure: no I/O, no clock. */
import type { Backend } from "../../haproxy/model";
import { planSlots, type SlotStep } from "../../haproxy/slots";
import type { Draining } from "./reconcile";

/** Who is wanted where. */
export interface WantedSlots {
  readonly slots: readonly (Backend | undefined)[];
  /** Whose sessions may still end by themselves; HAProxy's slots say when that is over. */
  readonly draining: Map<number, Draining>;
  /** resourceVersion of what changed last. */
  readonly revision: string;
}

/** What another set of backends means for the slots. */
export interface Change {
  readonly wanted: WantedSlots;
  readonly steps: readonly SlotStep[];
  /** HAProxy has too few slots for it. */
  readonly needsReload: boolean;
  /** Neither a backend nor a name of one is another: nothing is to be done. */
  readonly isEmpty: boolean;
}

/** @param drainUntilMs when the sessions of those that leave now are cut, on the clock of `Draining`. */
export function planChange(
  before: WantedSlots,
  backends: readonly Backend[],
  revision: string,
  drainUntilMs: number,
): Change {
  const former = new Map([...before.draining].map(([slot, { backend }]) => [slot, backend]));
  const { slots, steps, needsReload } = planSlots(before.slots, backends, former);
  const renamed = slots.some((backend, slot) => backend?.name !== before.slots[slot]?.name);
  const draining = new Map(before.draining);
  for (const { kind, slot, backend } of steps) {
    draining.delete(slot);
    if (kind === "drain" && slots[slot] === undefined) {
      draining.set(slot, { backend, untilMs: drainUntilMs });
    }
  }
  return {
    wanted: { slots, draining, revision },
    steps,
    needsReload,
    isEmpty: !renamed && steps.length === 0,
  };
}
