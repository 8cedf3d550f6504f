import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { recordStack } from "./record-stack";
import {
  changedObjects,
  container,
  daemonSetOf,
  mountedConfigOf,
  PATCH,
  type Pod,
} from "./support/objects";

const stack = (changes: Record<string, unknown> = {}) =>
  recordStack({ daemonset: { variant: "mounted" }, ...changes });

describe("the DaemonSet with a mounted configuration", () => {
  it("has HAProxy's container alone, and no updater", async () => {
    const recording = await stack();
    const { pod } = daemonSetOf(recording);
    assert.equal(pod.initContainers, undefined);
    assert.deepEqual(
      pod.containers.map(({ name }) => name),
      ["haproxy"],
    );
    assert.ok(!recording.resources.some(({ name }) => name === "haproxy-updater"));
  });

  it("has no credential in the pod", async () => {
    const { pod } = daemonSetOf(await stack());
    assert.equal(pod["automountServiceAccountToken"], false);
    assert.equal(pod["serviceAccountName"], undefined);
    assert.doesNotMatch(JSON.stringify(pod["volumes"]), /projected|secret|hostPath/i);
  });

  it("has no rights in the cluster", async () => {
    const types = (await stack()).resources.map(({ type }) => type);
    assert.deepEqual(
      types.filter((type) => /rbac|ServiceAccount|core\/v1:Secret/.test(type)),
      [],
    );
  });

  it("is otherwise the pod of the variant sidecar", async () => {
    const without = (object: object, ...names: string[]) =>
      Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
    const common = (pod: Pod) => [
      without(pod, "volumes", "initContainers", "serviceAccountName", "containers"),
      without(container(pod, "haproxy"), "command", "volumeMounts"),
    ];
    const [mounted, sidecar] = [await stack(), await recordStack()];
    assert.deepEqual(common(daemonSetOf(mounted).pod), common(daemonSetOf(sidecar).pod));
  });
});

describe("the mounted haproxy.cfg", () => {
  const nodes = { m1: { address: "10.0.0.11" }, m2: { address: "fd00::12" } };

  it("holds the configured control-plane nodes", async () => {
    const text = mountedConfigOf(await stack({ nodes }));
    assert.match(text, /^ {2}server m1:10\.0\.0\.11:6443 10\.0\.0\.11:6443 # m1$/m);
    assert.match(text, /^ {2}server m2:fd00::12:6443 \[fd00::12\]:6443 # m2$/m);
  });

  it("names no updater", async () => {
    assert.doesNotMatch(mountedConfigOf(await stack()), /updater/);
  });

  it("ends with the line that shows it is whole", async () => {
    assert.match(mountedConfigOf(await stack()), /\n# End of haproxy\.cfg\n$/);
  });

  it("is the only key in the ConfigMap", async () => {
    const patches = (await stack()).all(PATCH).map(({ name }) => name);
    assert.deepEqual(patches.sort(), [
      "backends-control-plane-nodes",
      "backends-haproxy.cfg",
      "backends-in-use",
    ]);
  });

  it("is created after all control-plane nodes", async () => {
    const recording = await stack({ nodes });
    const before = recording.dependencies(recording.find(PATCH, "backends-haproxy.cfg"));
    assert.deepEqual(before.sort(), ["backends-config-map", "m1-bootstrap", "m2-bootstrap"]);
  });

  it("is created before the first pod, which mounts it", async () => {
    const recording = await stack();
    const { daemonSet, pod } = daemonSetOf(recording);
    assert.deepEqual(recording.dependencies(daemonSet), ["backends-haproxy.cfg"]);
    assert.match(JSON.stringify(pod["volumes"]), /"name":"haproxy-backends"/);
  });

  for (const [what, changes] of Object.entries({
    "a backend": {
      nodes: {
        m1: { address: "10.0.0.11" },
        m2: { address: "10.0.0.22" },
        m3: { address: "10.0.0.13" },
      },
    },
    "a timeout of HAProxy": { haproxy: { timeouts: { connect: "900ms" } } },
  })) {
    it(`is the only object that changes with ${what}`, async () => {
      assert.deepEqual(changedObjects(await stack(), await stack(changes)), [
        "backends-haproxy.cfg",
      ]);
    });
  }
});
