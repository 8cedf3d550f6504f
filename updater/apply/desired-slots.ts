/** The desired backends in their slots, and the change from one set to the next. Pure. */
import { MAX_BACKENDS, sameBackend, type Backend } from "../../haproxy/model";
import type { Snapshot } from "../../haproxy/runtime";
import { planSlots, withLeaving, type Leaving, type SlotStep } from "../../haproxy/slots";
import type { Health } from "../../haproxy/server-state";
import { healthOf } from "./backend-states";

/** Which backend belongs into which slot. Immutable. */
export interface DesiredSlots {
  readonly slots: readonly (Backend | undefined)[];
  /** Former backends that serve on, because no desired one has answered since they left. */
  readonly leaving: Leaving;
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

/**
 * While no desired server answers, those that leave serve on: a set that does not answer never
 * replaces one that does.
 * @param draining former backends whose slots still drain, the oldest first
 * @param snapshot undefined: HAProxy does not answer, and all that leave may serve
 */
export function planSlotChange(
  before: DesiredSlots,
  draining: ReadonlyMap<number, Backend>,
  backends: readonly Backend[],
  revision: string,
  snapshot?: Snapshot,
): SlotChange {
  const { leaving } = before;
  const plan = planSlots(before.slots, backends, draining, {
    leaving,
    mayServe: whoMayServe(before, backends, snapshot),
  });
  const { slots, steps, needsReload } = plan;
  const renamed = slots.some((backend, slot) => backend?.name !== before.slots[slot]?.name);
  return {
    desired: { slots, leaving: plan.leaving, revision },
    steps,
    needsReload,
    isEmpty: !renamed && steps.length === 0,
  };
}

/** Which of the former backends serve on: nobody where one that stays answers. */
function whoMayServe(
  before: DesiredSlots,
  backends: readonly Backend[],
  snapshot: Snapshot | undefined,
): (slot: number) => boolean {
  if (snapshot === undefined) return () => true;
  if (before.leaving.size >= MAX_BACKENDS) return () => false;
  const occupied = occupiedSlots(before);
  const isUp = healthOf(occupied, snapshot);
  const stays = (slot: number): boolean =>
    backends.some((backend) => sameBackend(backend, before.slots[slot]));
  if (before.slots.some((_, slot) => stays(slot) && answers(isUp, slot))) return () => false;
  // One that only accepts connections need not be an API server.
  if (occupied.some((_, slot) => answers(isUp, slot))) return (slot) => answers(isUp, slot);
  return (slot) => isUp("reachable", slot);
}

/** Whether a desired server answers HAProxy's checks: then nobody else is needed. */
export function someoneAnswers({ slots }: DesiredSlots, snapshot: Snapshot): boolean {
  const isUp = healthOf(slots, snapshot);
  return slots.some((_, slot) => answers(isUp, slot));
}

/** The slots as HAProxy has them: the desired backends, and those that serve on. */
export function occupiedSlots({ slots, leaving }: DesiredSlots): readonly (Backend | undefined)[] {
  return withLeaving(slots, leaving);
}

/** A check of HAProxy passes. */
function answers(isUp: Health, slot: number): boolean {
  return isUp("ready", slot) || isUp("alive", slot);
}
