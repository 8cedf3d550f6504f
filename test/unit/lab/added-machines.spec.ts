import assert from "node:assert/strict";
import { poolOf, withMachine } from "../../../lab/src/added-machines";
import { addressOf, portOf } from "../../../lab/src/network";
import { machineRecords, type LabState } from "../../../lab/src/state";

const LAB: LabState = { name: "some", index: 3, machines: machineRecords(2, 1) };

/** Adds a machine of the pool and returns the new state with the machine's address. */
function next(state: LabState, name: string) {
  const added = withMachine(state, { name });
  return { state: added.state, address: addressOf(3, added.record) };
}

const without = (state: LabState, name: string): LabState => ({
  ...state,
  machines: state.machines.filter((machine) => machine.name !== name),
});

describe("withMachine", () => {
  it("gives a machine the address that it asks for, of either role", () => {
    const node = withMachine(LAB, { name: "m3", address: "10.77.3.13" });
    assert.equal(addressOf(3, node.record), "10.77.3.13");
    const worker = withMachine(node.state, { name: "lb", role: "worker", address: "10.77.3.30" });
    assert.equal(addressOf(3, worker.record), "10.77.3.30");
    assert.deepEqual(
      worker.state.machines.map(({ name }) => name),
      ["m1", "m2", "w1", "m3", "lb"],
    );
  });

  it("uses an address of the pool again only after all others", () => {
    const first = next(LAB, "a");
    assert.equal(first.address, poolOf(3).first);
    let { state } = next(without(first.state, "a"), "b");
    const seen: string[] = [];
    for (let number = 0; number < 15; number += 1) {
      const added = next(without(state, `c${number - 1}`), `c${number}`);
      seen.push(added.address);
      state = added.state;
    }
    // "b" has kept the second one
    assert.deepEqual(new Set(seen.slice(0, 14)).size, 14);
    assert.equal(seen[13], poolOf(3).last);
    assert.equal(seen[14], "10.77.3.51");
    assert.ok(!seen.includes("10.77.3.52"));
  });

  it("keeps names of cables short, however long the machine's name is", () => {
    const { record } = withMachine(LAB, { name: "control-plane-of-some-cluster-x7k2p" });
    assert.equal(portOf(3, record), "lab3-m41");
    assert.deepEqual(
      LAB.machines.map((machine) => portOf(3, machine)),
      ["lab3-m1", "lab3-m2", "lab3-w1"],
    );
  });

  it("refuses a taken name or address, one of another subnet, and names that are no host names", () => {
    assert.throws(() => withMachine(LAB, { name: "m1" }), /already has a machine "m1"/);
    assert.throws(() => withMachine(LAB, { name: "x", address: "10.77.3.12" }), /belongs to m2/);
    for (const address of ["10.77.4.12", "10.77.3.1", "10.77.3.255", "10.77.3.x"]) {
      assert.throws(() => withMachine(LAB, { name: "x", address }), /expected 10\.77\.3\.11 to/);
    }
    for (const name of ["", "../x", "A", "-x"]) {
      assert.throws(() => withMachine(LAB, { name }), /expected a host name/);
    }
  });

  it("refuses a machine when the pool is empty", () => {
    let state = LAB;
    for (let number = 0; number < 16; number += 1) state = next(state, `n${number}`).state;
    assert.throws(() => withMachine(state, { name: "one-more" }), /\.51 to \.66 are taken/);
  });
});
