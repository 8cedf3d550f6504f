/** Which backend has which slot. Slots let backends come and go without a reload. Pure. */
import { formatBackend, sameBackend, type Backend } from "./model";
import { slotName } from "./server-lines";

/** The fewest slots of a configuration. */
export const MIN_SLOTS = 8;

/** What changes at one slot. */
export interface SlotStep {
  /**
   * `open`: a backend takes the slot; `reopen`: it returns to the slot where it drains or leaves;
   * `leave`: it serves on until a desired server answers; `drain`: it gets no new connections.
   */
  readonly kind: "open" | "reopen" | "leave" | "drain";
  readonly slot: number;
  readonly backend: Backend;
}

/** Former backends that serve until a desired server answers, by slot. */
export type Leaving = ReadonlyMap<number, Backend>;

const NOBODY: Leaving = new Map();

/** Who serves on after it is no longer desired. */
export interface Departure {
  readonly leaving: Leaving;
  /** Whether this slot's backend serves on when it is removed. */
  readonly mayServe: (slot: number) => boolean;
}

/** Removed backends drain at once. */
const AT_ONCE: Departure = { leaving: NOBODY, mayServe: () => false };

/** The slots after a change. */
export interface SlotPlan {
  readonly slots: readonly (Backend | undefined)[];
  /** Former backends that serve on; their slots are empty in `slots`. */
  readonly leaving: Leaving;
  readonly steps: readonly SlotStep[];
  /** There are more slots than before, which needs a reload. */
  readonly needsReload: boolean;
}

/**
 * Places the desired backends. A backend with the same address and port keeps its slot, also under
 * another name. A new one takes a free slot, else the slot that has drained longest, else a new
 * slot.
 * @param draining slots whose former backends still have sessions, the oldest first
 * @param departure never gives away the slot of a backend that serves on
 */
export function planSlots(
  current: readonly (Backend | undefined)[],
  desired: readonly Backend[],
  draining: ReadonlyMap<number, Backend> = NOBODY,
  departure: Departure = AT_ONCE,
): SlotPlan {
  const slots: (Backend | undefined)[] = current.map((backend) =>
    desired.find((candidate) => sameBackend(candidate, backend)),
  );
  const steps: SlotStep[] = [];
  const leaving = new Map(departure.leaving);
  current.forEach((backend, slot) => {
    if (backend === undefined || slots[slot] !== undefined) return;
    const kind = departure.mayServe(slot) ? "leave" : "drain";
    if (kind === "leave") leaving.set(slot, backend);
    steps.push({ kind, slot, backend });
  });
  const newcomers = desired.filter((backend) => !slots.some((held) => sameBackend(held, backend)));
  const left = new Map(draining);
  for (const { kind, slot, backend } of steps) if (kind === "drain") left.set(slot, backend);
  const homeless = newcomers.filter((backend) => {
    const home = [...leaving, ...left].find(([, former]) => sameBackend(former, backend))?.[0];
    if (home === undefined || slots[home] !== undefined) return true;
    slots[home] = backend;
    leaving.delete(home);
    left.delete(home);
    steps.push({ kind: "reopen", slot: home, backend });
    return false;
  });
  const isTaken = (slot: number): boolean => slots[slot] !== undefined || leaving.has(slot);
  const free = slots.flatMap((_, slot) => (isTaken(slot) || left.has(slot) ? [] : [slot]));
  const lastResort = [...left.keys()].filter((slot) => !isTaken(slot));
  for (const backend of homeless) {
    const slot = free.shift() ?? lastResort.shift() ?? slots.length;
    slots[slot] = backend;
    steps.push({ kind: "open", slot, backend });
  }
  const needsReload = slots.length > current.length;
  if (needsReload) grow(slots, Math.max(MIN_SLOTS, 2 * desired.length));
  return { slots, leaving, steps, needsReload };
}

/** The slots with the backends that serve on: what HAProxy has. */
export function withLeaving(
  slots: readonly (Backend | undefined)[],
  leaving: Leaving,
): readonly (Backend | undefined)[] {
  if (leaving.size === 0) return slots;
  return slots.map((backend, slot) => backend ?? leaving.get(slot));
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
