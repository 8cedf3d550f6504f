import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { example, HOST_KEY, PRIVATE_KEY } from "../unit/stacks/example";
import { COMMAND, recordStack } from "./record-stack";

const ssh = example()["ssh"] as object;
const node = (last: number, more: object = {}) => ({ address: `10.0.0.${last}`, ...more });

describe("resources on hosts", () => {
  it("are few, carry their host's name, and belong to their host", async () => {
    const recording = await recordStack();
    assert.deepEqual(
      recording
        .all(COMMAND)
        .map(({ name }) => name)
        .sort(),
      [
        ...["m1-bootstrap", "m1-forward", "m1-kubeconfig", "m1-preflight"],
        ...["m1-ticket-from-m2", "m1-ticket-from-m3"],
        ...["m2-bootstrap", "m2-forward", "m2-preflight", "m2-ticket-from-m1"],
        ...["m3-bootstrap", "m3-forward", "m3-preflight", "m3-ticket-from-m1"],
      ],
    );
    for (const { name, parent } of recording.all(COMMAND)) {
      const host = recording.find("control-plane-lb:index:Host", name.split("-")[0] ?? "");
      assert.equal(parent, host.urn, name);
    }
  });

  it("change no host before all hosts have passed the preflight", async () => {
    const recording = await recordStack();
    const checks = ["m1-preflight", "m2-preflight", "m3-preflight"];
    const changing = recording.all(COMMAND).filter(({ name }) => !checks.includes(name));
    for (const resource of changing) {
      const before = ancestors(recording, resource.urn);
      for (const check of checks) assert.ok(before.has(check), `${resource.name} before ${check}`);
    }
    for (const check of checks) {
      assert.deepEqual(recording.dependencies(recording.find(COMMAND, check)), []);
    }
  });

  it("get the same script of the forward on every host", async () => {
    const recording = await recordStack();
    const scripts = ["m1", "m2", "m3"].map(
      (host) => recording.find(COMMAND, `${host}-forward`).inputs["stdin"],
    );
    assert.equal(typeof scripts[0], "string");
    assert.equal(new Set(scripts).size, 1);
  });

  it("put every forward in place before kubeadm runs anywhere", async () => {
    const recording = await recordStack();
    const before = ancestors(recording, recording.find(COMMAND, "m1-bootstrap").urn);
    for (const forward of ["m1-forward", "m2-forward", "m3-forward"]) {
      assert.ok(before.has(forward), forward);
    }
  });

  it("make control-plane nodes one after the other, each with join credentials that is made after the one before has joined", async () => {
    const recording = await recordStack();
    const order = [
      "m1-ticket-from-m2",
      "m1-ticket-from-m3",
      "m1-bootstrap",
      "m2-ticket-from-m1",
      "m2-bootstrap",
      "m3-ticket-from-m1",
      "m3-bootstrap",
      "m1-kubeconfig",
    ];
    order.slice(1).forEach((name, index) => {
      const before = ancestors(recording, recording.find(COMMAND, name).urn);
      assert.ok(before.has(order[index] ?? ""), `${order[index]} before ${name}`);
    });
  });

  it("never use triggers or environment, and pass scripts by stdin only", async () => {
    const recording = await recordStack();
    for (const { name, inputs } of recording.all(COMMAND)) {
      for (const key of ["triggers", "environment"]) assert.equal(inputs[key], undefined, name);
      assert.equal(inputs["create"], "sudo -n sh -s -- apply", name);
      assert.equal(inputs["update"], "sudo -n sh -s -- apply", name);
      assert.equal(inputs["addPreviousOutputInEnv"], false, name);
      assert.match(String(inputs["stdin"]), /^main "\$@" <\/dev\/null$/m, name);
    }
  });

  it("take back forwards and control-plane nodes only", async () => {
    const recording = await recordStack();
    for (const { name, inputs } of recording.all(COMMAND)) {
      const removes = /-(forward|bootstrap)$/.test(name);
      assert.equal(inputs["delete"], removes ? "sudo -n sh -s -- remove" : undefined, name);
    }
  });

  it("need no sudo as root", async () => {
    const recording = await recordStack({ ssh: { ...ssh, user: "root" } });
    assert.equal(recording.find(COMMAND, "m1-forward").inputs["create"], "sh -s -- apply");
  });

  it("keep keys, join credentials and kubeconfig secret", async () => {
    const recording = await recordStack();
    for (const { name, inputs, secretInputs, options } of recording.all(COMMAND)) {
      const connection = inputs["connection"] as Record<string, unknown>;
      assert.equal(connection["privateKey"], PRIVATE_KEY);
      assert.ok(
        secretInputs.includes("connection") || secretInputs.includes("connection.privateKey"),
        `${name}: ${secretInputs.join()}`,
      );
      const secret = /-(bootstrap|kubeconfig)$|-ticket-/.test(name);
      assert.equal(secretInputs.includes("stdin"), secret, `${name} stdin`);
      assert.equal(inputs["logging"], secret ? "none" : undefined, `${name} logging`);
      assert.equal(options.additionalSecretOutputs.includes("stdout"), secret, `${name} stdout`);
    }
    const plain = JSON.stringify(recording.resources.map(({ inputs }) => withoutSecrets(inputs)));
    assert.ok(!plain.includes("very secret"));
  });

  it("go through the bastion", async () => {
    const bastion = { host: "jump.example", user: "me", hostKey: HOST_KEY };
    const recording = await recordStack({ ssh: { ...ssh, bastion } });
    const connection = recording.find(COMMAND, "m2-forward").inputs["connection"] as object;
    const { proxy } = connection as { proxy: Record<string, unknown> };
    assert.deepEqual(
      { host: proxy["host"], user: proxy["user"], hostKey: proxy["hostKey"] },
      { host: "jump.example", user: "me", hostKey: HOST_KEY },
    );
  });

  it("are all listed in the first preview, when no host is known yet", async () => {
    const names = async (preview: boolean) =>
      (await recordStack({}, { preview })).resources
        .map(({ type, name }) => `${type} ${name}`)
        .sort();
    assert.deepEqual(await names(true), await names(false));
  });
});

describe("the script of a node", () => {
  it("changes with its generation, and only its own", async () => {
    const scripts = async (generation: number) => {
      const nodes = { m1: node(11), m2: node(12, { generation }), m3: node(13) };
      const recording = await recordStack({ nodes });
      return new Map(recording.all(COMMAND).map(({ name, inputs }) => [name, inputs["stdin"]]));
    };
    const [first, second] = [await scripts(1), await scripts(2)];
    assert.deepEqual(
      [...first.keys()].filter((name) => first.get(name) !== second.get(name)).sort(),
      ["m2-bootstrap", "m2-forward", "m2-preflight", "m2-ticket-from-m1"],
    );
  });

  it("of the first by name may make a cluster, no other", async () => {
    const recording = await recordStack({ nodes: { m10: node(10), m9: node(9), m11: node(11) } });
    const initNodes = recording
      .all(COMMAND)
      .filter(({ inputs }) => /^HEAD='?yes/m.test(String(inputs["stdin"])))
      .map(({ name }) => name);
    assert.deepEqual(initNodes, ["m9-bootstrap"]);
  });
});

describe("a lost node", () => {
  const nodes = { m1: node(11, { lost: true }), m2: node(12), m3: node(13) };

  it("keeps its resources as they are, and without its host when they are deleted", async () => {
    const recording = await recordStack({ nodes });
    const own = recording.all(COMMAND).filter(({ name }) => name.startsWith("m1-"));
    assert.deepEqual(own.map(({ name }) => name).sort(), [
      "m1-bootstrap",
      "m1-forward",
      "m1-preflight",
    ]);
    for (const { options } of own) {
      assert.equal(options.retainOnDelete, true);
      for (const input of ["connection", "stdin", "create", "update", "delete"]) {
        assert.ok(options.ignoreChanges.includes(input), input);
      }
    }
  });

  it("is asked for nothing, is no backend, and leaves the first place to the next", async () => {
    const recording = await recordStack({ nodes });
    const names = recording.resources.map(({ name }) => name);
    assert.ok(names.includes("m2-kubeconfig"));
    assert.ok(names.includes("m2-ticket-from-m3"));
    assert.ok(!names.some((name) => name.endsWith("-from-m1") || name === "backends-m1"));
    for (const { name, inputs } of recording.all(COMMAND)) {
      const connection = inputs["connection"] as { host: string };
      assert.equal(connection.host === "10.0.0.11", name.startsWith("m1-"), name);
    }
  });
});

type Recording = Awaited<ReturnType<typeof recordStack>>;

/** Names of everything that comes before a resource. */
function ancestors(recording: Recording, urn: string, found = new Set<string>()): Set<string> {
  const resource = recording.resources.find((each) => each.urn === urn);
  for (const dependency of resource?.options.dependsOn ?? []) {
    const name = dependency.split("::").pop() ?? "";
    if (found.has(name)) continue;
    found.add(name);
    ancestors(recording, dependency, found);
  }
  return found;
}

/** Inputs of a resource without what was marked as secret at the top. */
function withoutSecrets(inputs: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const secret = ["connection", "stdin", "kubeconfig"];
  return Object.fromEntries(Object.entries(inputs).filter(([key]) => !secret.includes(key)));
}
