import assert from "node:assert/strict";
import { MAX_BACKENDS, parseBackends } from "../../../../haproxy/model";
import {
  mixed,
  wrongContents,
  type Content,
  type Surroundings,
} from "../../../../e2e/sequences/contents";
import { changeBefore, planSteps } from "../../../../e2e/sequences/plan";
import { surroundingsOf } from "../../../../e2e/sequences/surroundings";

const machine = (number: number) => ({
  name: `m${number}`,
  role: "controlPlane" as const,
  address: `10.77.4.1${number}`,
  running: true,
  cut: false,
});
const NODES = [machine(1), machine(2), machine(3)];
const LAB = surroundingsOf({
  controlPlaneNodes: NODES,
  loadBalancers: NODES,
  ports: { lb: 6444, api: 6443, health: 6445 },
});
const SEEDS = Array.from({ length: 500 }, (_, at) => at + 1);
const contents = (surroundings: Surroundings): Content[] =>
  SEEDS.flatMap((seed) =>
    planSteps(seed, surroundings).flatMap(({ data }) => (data === null ? [] : [data])),
  );

describe("the sequences of ConfigMaps", () => {
  it("are the same for the same seed, and differ between seeds", () => {
    assert.deepEqual(planSteps(7, LAB), planSteps(7, LAB));
    const plans = new Set(SEEDS.map((seed) => JSON.stringify(planSteps(seed, LAB))));
    assert.ok(plans.size > 400, String(plans.size));
  });

  it("have every kind of content, a deletion and a hold that outlives the watches", () => {
    const steps = SEEDS.flatMap((seed) => planSteps(seed, LAB));
    const titles = new Set(steps.map(({ title }) => title));
    for (const { title } of wrongContents(LAB)) assert.ok(titles.has(title), title);
    for (const title of ["emptied", "deleted", "m2", "m1 m3"]) assert.ok(titles.has(title), title);
    assert.ok(steps.some(({ data, holdSeconds }) => data !== null && holdSeconds > 60));
  });

  it("can be written into a ConfigMap", () => {
    for (const data of contents(LAB)) {
      for (const key of Object.keys(data)) assert.match(key, /^[-._a-zA-Z0-9]{1,253}$/);
      assert.ok(JSON.stringify(data).length < 100_000);
    }
  });

  it("name no address outside of the lab", () => {
    const values = contents(LAB).flatMap((data) => parseBackends(data).backends);
    assert.ok(values.every(({ address }) => address.startsWith("10.77.4.")));
  });

  it("call API servers right only", () => {
    const apiServers = new Set(Object.values(LAB.right));
    for (const { data } of wrongContents(LAB)) {
      const { backends } = parseBackends(data);
      assert.ok(!backends.some(({ address, port }) => apiServers.has(`${address}:${port}`)));
    }
  });

  it("keep right entries beside wrong ones, also beside too many", () => {
    const some = { m2: LAB.right["m2"] as string };
    for (const { data, title } of wrongContents(LAB)) {
      const { backends, refused } = parseBackends(mixed(some, data, LAB.right));
      assert.ok(
        backends.some(({ name }) => name === "m2"),
        title,
      );
      if (title === "too many keys") {
        assert.deepEqual([backends.length, refused.length > 0], [MAX_BACKENDS, true]);
      }
    }
  });
});

describe("other changes between sequences", () => {
  it("come in order, evenly, and not before the first one", () => {
    const order = (count: number): (number | undefined)[] =>
      Array.from({ length: count }, (_, index) => changeBefore(index, count, 3));
    assert.deepEqual(order(4), [undefined, 0, 1, 2]);
    assert.deepEqual(
      order(50).flatMap((change, index) => (change === undefined ? [] : [[index, change]])),
      [
        [13, 0],
        [26, 1],
        [39, 2],
      ],
    );
    assert.deepEqual(order(1), [undefined]);
  });
});
