/** Which backend has which slot. Slots let backends come and go without a reload. Pure. */
import { formatBackend, sameBackend, type Backend } from "./model";
import { slotName } from "./server-lines";

/** The fewest slots of a configuration. */
export const MIN_SLOTS = 8;

/** What changes at one slot. */
export interface SlotStep {
  /**
   * `open`: a backend takes the slot; `reopen`: it returns to the slot where it drains; `drain`: it
   * leaves.
   */
  readonly kind: "open" | "reopen" | "drain";
  readonly slot: number;
  readonly backend: Backend;
}

/** The slots after a change. */
export interface SlotPlan {
  readonly slots: readonly (Backend | undefined)[];
  readonly steps: readonly SlotStep[];
  /** There are more slots than before, which needs a reload. */
  readonly needsReload: boolean;
}

/**
 * Places the desired backends. A backend with the same address and port keeps its slot, also under
 * another name. A new one takes a free slot, else the slot that has drained longest, else a new
 * slot.
 * @param draining slots whose former backends still have sessions, the oldest first
 */
export function planSlots(
  current: readonly (Backend | undefined)[],
  desired: readonly Backend[],
  draining: ReadonlyMap<number, Backend> = new Map(),
): SlotPlan {
  const slots: (Backend | undefined)[] = current.map((backend) =>
    desired.find((candidate) => sameBackend(candidate, backend)),
  );
  const steps: SlotStep[] = [];
  current.forEach((backend, slot) => {
    if (backend !== undefined && slots[slot] === undefined) {
      steps.push({ kind: "drain", slot, backend });
    }
  });
  const newcomers = desired.filter((backend) => !slots.some((held) => sameBackend(held, backend)));
  const left = new Map(draining);
  for (const { slot, backend } of steps) left.set(slot, backend);
  const homeless = newcomers.filter((backend) => {
    const home = [...left].find(([, former]) => sameBackend(former, backend))?.[0];
    if (home === undefined || slots[home] !== undefined) return true;
    slots[home] = backend;
    left.delete(home);
    steps.push({ kind: "reopen", slot: home, backend });
    return false;
  });
  const free = slots.flatMap((held, slot) => (held === undefined && !left.has(slot) ? [slot] : []));
  const lastResort = [...left.keys()].filter((slot) => slots[slot] === undefined);
  for (const backend of homeless) {
    const slot = free.shift() ?? lastResort.shift() ?? slots.length;
    slots[slot] = backend;
    steps.push({ kind: "open", slot, backend });
  }
  const needsReload = slots.length > current.length;
  if (needsReload) grow(slots, Math.max(MIN_SLOTS, 2 * desired.length));
  return { slots, steps, needsReload };
}

/** Slots for a first configuration: at least MIN_SLOTS, and room for as many backends again. */
export function firstSlots(desired: readonly Backend[]): readonly (Backend | undefined)[] {
  return planSlots([], desired).slots;
}

/** `s1=m1(10.77.0.11:6443)`: for log lines. */
export function describeStep(step: SlotStep): string {
  return `${step.kind} ${slotName(step.slot)}=${step.backend.name}(${formatBackend(step.backend)})`;
}

function grow(slots: (Backend | undefined)[], length: number): void {
  while (slots.length < length) slots.push(undefined);
}
