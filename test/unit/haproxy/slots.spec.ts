import assert from "node:assert/strict";
import fc from "fast-check";
import { formatBackend, sameBackend, type Backend } from "../../../haproxy/model";
import { describeStep, firstSlots, MIN_SLOTS, planSlots } from "../../../haproxy/slots";

const backend = (index: number, name = `m${index}`): Backend => ({
  name,
  address: `10.0.0.${index}`,
  port: 6443,
});
const [A, B, C] = [backend(1), backend(2), backend(3)];
const steps = (plan: ReturnType<typeof planSlots>): string[] => plan.steps.map(describeStep);

describe("planSlots", () => {
  it("starts with room for as many again, at least eight", () => {
    assert.equal(firstSlots([A]).length, MIN_SLOTS);
    assert.equal(firstSlots([1, 2, 3, 4, 5, 6].map((i) => backend(i))).length, 12);
  });

  it("keeps the other backends in their slots, and puts a new one into a free slot", () => {
    const plan = planSlots([A, B, undefined], [A, C]);
    assert.deepEqual(plan.slots, [A, undefined, C]);
    assert.deepEqual(steps(plan), ["drain s2=m2(10.0.0.2:6443)", "open s3=m3(10.0.0.3:6443)"]);
    assert.equal(plan.needsReload, false);
  });

  it("keeps the slot of a backend that only changes its name", () => {
    const renamed = backend(1, "other");
    const plan = planSlots([A], [renamed]);
    assert.deepEqual(plan.slots, [renamed]);
    assert.deepEqual(plan.steps, []);
  });

  it("treats another address under the same name as another backend", () => {
    const moved = { ...backend(9), name: "m1" };
    const plan = planSlots([A, undefined], [moved]);
    assert.deepEqual(plan.slots, [undefined, moved]);
  });

  it("returns a backend to the slot where it drains", () => {
    const plan = planSlots([A, undefined, undefined], [A, B], new Map([[2, B]]));
    assert.deepEqual(plan.slots, [A, undefined, B]);
    assert.deepEqual(steps(plan), ["reopen s3=m2(10.0.0.2:6443)"]);
  });

  it("uses a draining slot only when no other is free, the oldest first", () => {
    const draining = new Map([
      [2, backend(8)],
      [1, backend(9)],
    ]);
    const plan = planSlots([A, undefined, undefined], [A, B], draining);
    assert.deepEqual(plan.slots, [A, undefined, B]);
    assert.equal(plan.needsReload, false);
  });

  it("never gives away the slot of a backend that serves on, and returns it to its slot", () => {
    const leaving = new Map([[1, B]]);
    const mayServe = (slot: number): boolean => slot === 0;
    const plan = planSlots([A, undefined], [C], new Map(), { leaving, mayServe });
    assert.deepEqual(plan.slots.slice(0, 3), [undefined, undefined, C]);
    assert.deepEqual(
      [...plan.leaving],
      [
        [1, B],
        [0, A],
      ],
    );
    assert.equal(plan.needsReload, true);
    assert.deepEqual(steps(plan), ["leave s1=m1(10.0.0.1:6443)", "open s3=m3(10.0.0.3:6443)"]);
    const back = planSlots(plan.slots, [A, C], new Map(), { leaving: plan.leaving, mayServe });
    assert.deepEqual(back.slots.slice(0, 3), [A, undefined, C]);
    assert.deepEqual([...back.leaving], [[1, B]]);
  });

  it("needs a reload only when there are more backends than slots", () => {
    const full = [1, 2, 3, 4, 5, 6, 7, 8].map((i) => backend(i));
    assert.equal(planSlots(firstSlots([A]), full).needsReload, false);
    const plan = planSlots(full, [...full, backend(9)]);
    assert.equal(plan.needsReload, true);
    assert.equal(plan.slots.length, 18);
    assert.deepEqual(plan.slots.slice(0, 9), [...full, backend(9)]);
  });

  it("keeps each staying backend in its slot through any changes", () => {
    const desired = fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(desired, { maxLength: 8 }), (rounds) => {
        let slots = firstSlots([]);
        let draining = new Map<number, Backend>();
        for (const round of rounds) {
          const backends = round.map((index) => backend(index));
          const plan = planSlots(slots, backends, draining);
          const held = plan.slots.filter((it) => it !== undefined).map(formatBackend);
          assert.deepEqual([...held].sort(), backends.map(formatBackend).sort());
          slots.forEach((before, slot) => {
            const stays = backends.some((it) => sameBackend(it, before));
            if (before !== undefined && stays) assert.ok(sameBackend(plan.slots[slot], before));
          });
          assert.deepEqual(planSlots(plan.slots, backends).steps, []);
          draining = new Map(draining);
          for (const step of plan.steps) {
            draining.delete(step.slot);
            if (step.kind === "drain" && plan.slots[step.slot] === undefined) {
              draining.set(step.slot, step.backend);
            }
          }
          slots = plan.slots;
        }
      }),
    );
  });
});
