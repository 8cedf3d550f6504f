/** The desired backends in their slots, and the change from one set to the next. Pure. */
import type { Backend } from "../../haproxy/model";
import { planSlots, type SlotStep } from "../../haproxy/slots";

/** Which backend belongs into which slot. Immutable. */
export interface DesiredSlots {
  readonly slots: readonly (Backend | undefined)[];
  /** resourceVersion of the last change. */
  readonly revision: string;
}

/** What another set of backends changes. */
export interface SlotChange {
  readonly desired: DesiredSlots;
  readonly steps: readonly SlotStep[];
  /** HAProxy has too few slots. */
  readonly needsReload: boolean;
  /** Backends and their names are the same. */
  readonly isEmpty: boolean;
}

/** @param draining former backends whose slots still drain, the oldest first */
export function planSlotChange(
  before: DesiredSlots,
  draining: ReadonlyMap<number, Backend>,
  backends: readonly Backend[],
  revision: string,
): SlotChange {
  const { slots, steps, needsReload } = planSlots(before.slots, backends, draining);
  const renamed = slots.some((backend, slot) => backend?.name !== before.slots[slot]?.name);
  return {
    desired: { slots, revision },
    steps,
    needsReload,
    isEmpty: !renamed && steps.length === 0,
  };
}
