import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { recordStack } from "./record-stack";
import { changedObjects, CONFIG_MAP, metadata, PATCH } from "./support/objects";

describe("the ConfigMap of the backends", () => {
  const two = { nodes: { m1: { address: "10.0.0.11" }, m2: { address: "fd00::12" } } };

  it("owns no key, so that keys of other managers stay", async () => {
    const configMap = (await recordStack(two)).find(CONFIG_MAP, "backends-config-map");
    assert.equal(metadata(configMap)["name"], "haproxy-backends");
    assert.equal(configMap.inputs["data"], undefined);
    assert.deepEqual(configMap.options.ignoreChanges, ["data"]);
  });

  it("has one patch per control-plane node, with the address of its API server", async () => {
    const recording = await recordStack(two);
    const patches = ["backends-key-m1", "backends-key-m2"].map((name) =>
      recording.find(PATCH, name),
    );
    assert.deepEqual(
      patches.map(({ inputs }) => inputs["data"]),
      [{ m1: "10.0.0.11:6443" }, { m2: "[fd00::12]:6443" }],
    );
  });

  for (const variant of ["sidecar", "mounted"]) {
    it(`allows a node the name of any of its patches, variant ${variant}`, async () => {
      const names = [
        "backends",
        "config-map",
        "control-plane-nodes",
        "haproxy.cfg",
        "backends-key-m1",
      ];
      const nodes = Object.fromEntries(
        names.map((name, index) => [name, { address: `10.0.0.${index + 11}` }]),
      );
      const recording = await recordStack({ nodes, daemonset: { variant } });
      const urns = recording.resources.map(({ urn }) => urn);
      assert.deepEqual([...new Set(urns)], urns);
    });
  }

  it("takes a key over from any other field manager", async () => {
    const recording = await recordStack(two);
    for (const name of ["backends-key-m1", "backends-key-m2"]) {
      assert.deepEqual(metadata(recording.find(PATCH, name))["annotations"], {
        "pulumi.com/patchForce": "true",
      });
    }
  });

  it("loses a node's key before that node leaves the cluster", async () => {
    const recording = await recordStack();
    for (const name of ["m1", "m2", "m3"]) {
      const before = recording.dependencies(recording.find(PATCH, `backends-key-${name}`));
      assert.deepEqual(before.sort(), ["backends-config-map", `${name}-bootstrap`]);
    }
  });

  it("lists the configured control-plane nodes for a host that leaves", async () => {
    const nodes = { m10: { address: "10.0.0.10" }, m2: { address: "10.0.0.2" } };
    const list = (await recordStack({ nodes })).find(PATCH, "backends-control-plane-nodes");
    const annotations = metadata(list)["annotations"] as Record<string, string>;
    assert.equal(annotations["control-plane-lb/control-plane-nodes"], '["m10","m2"]');
    assert.equal(list.inputs["data"], undefined);
  });

  it("changes in one key alone when a backend changes", async () => {
    const withLast = (last: number) =>
      recordStack({
        nodes: {
          m1: { address: "10.0.0.11" },
          m2: { address: `10.0.0.${last}`, sshHost: "m2.example" },
        },
      });
    assert.deepEqual(changedObjects(await withLast(12), await withLast(22)), ["backends-key-m2"]);
  });
});
