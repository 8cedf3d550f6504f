import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { example, HOST_KEY, PRIVATE_KEY } from "../unit/stacks/example";
import { COMMAND, recordStack } from "./record-stack";
import { assertBefore, assertOrder } from "./support/order";

const ssh = example()["ssh"] as object;
const node = (last: number, more: object = {}) => ({ address: `10.0.0.${last}`, ...more });

describe("resources on hosts", () => {
  it("are one for each step of a host", async () => {
    const recording = await recordStack();
    assert.deepEqual(
      recording
        .all(COMMAND)
        .map(({ name }) => name)
        .sort(),
      [
        ...["m1-bootstrap", "m1-clean-up", "m1-forward"],
        ...["m1-join-credentials-from/m2", "m1-join-credentials-from/m3"],
        ...["m1-kubeconfig", "m1-kubeconfig-renewed", "m1-preflight", "m1-reachability"],
        ...["m2-bootstrap", "m2-clean-up", "m2-forward", "m2-join-credentials-from/m1"],
        ...["m2-preflight", "m2-reachability"],
        ...["m3-bootstrap", "m3-clean-up", "m3-forward", "m3-join-credentials-from/m1"],
        ...["m3-preflight", "m3-reachability"],
      ],
    );
  });

  it("have names of their own, whatever nodes are called", async () => {
    const names = ["m1", "m2-forward", "m1-join-credentials-from-m2"];
    const nodes = Object.fromEntries(names.map((name, index) => [name, node(11 + index)]));
    const all = (await recordStack({ nodes })).all(COMMAND).map(({ name }) => name);
    assert.deepEqual(all.sort(), [...new Set(all)].sort());
  });

  it("are children of the host that their name begins with", async () => {
    const recording = await recordStack();
    for (const { name, parent } of recording.all(COMMAND)) {
      const host = recording.find("control-plane-lb:index:Host", name.split("-")[0] ?? "");
      assert.equal(parent, host.urn, name);
    }
  });

  it("change no host before all hosts have passed the preflight", async () => {
    const recording = await recordStack();
    const checks = ["m1-preflight", "m2-preflight", "m3-preflight"];
    const changing = recording
      .all(COMMAND)
      .filter(({ name, inputs }) => !checks.includes(name) && inputs["create"] !== undefined);
    for (const { name } of changing) assertBefore(recording, name, checks);
    for (const check of checks) {
      assert.deepEqual(recording.dependencies(recording.find(COMMAND, check)), []);
    }
  });

  it("run the same script of the forward on every host", async () => {
    const recording = await recordStack();
    const scripts = ["m1", "m2", "m3"].map(
      (host) => recording.find(COMMAND, `${host}-forward`).inputs["stdin"],
    );
    assert.equal(typeof scripts[0], "string");
    assert.equal(new Set(scripts).size, 1);
  });

  it("put every forward in place before kubeadm runs anywhere", async () => {
    const recording = await recordStack();
    assertBefore(recording, "m1-bootstrap", ["m1-forward", "m2-forward", "m3-forward"]);
  });

  it("issue join credentials for a node after the node before it has joined", async () => {
    const recording = await recordStack();
    const order = [
      "m1-join-credentials-from/m2",
      "m1-join-credentials-from/m3",
      "m1-bootstrap",
      "m2-join-credentials-from/m1",
      "m2-bootstrap",
      "m3-join-credentials-from/m1",
      "m3-bootstrap",
      "m1-kubeconfig",
    ];
    assertOrder(recording, order);
  });

  it("never use triggers or environment, and pass scripts by stdin only", async () => {
    const recording = await recordStack();
    for (const { name, inputs } of recording.all(COMMAND)) {
      for (const key of ["triggers", "environment"]) assert.equal(inputs[key], undefined, name);
      const [host] = name.split("-");
      const runs = /-from\//.test(name) ? name.replace(/.*-from\//, "") : host;
      const apply = `sudo -n sh -s -- apply organization/control-plane-lb/dev ${runs}`;
      const expected = name.endsWith("-clean-up") ? undefined : apply;
      assert.equal(inputs["create"], expected, name);
      assert.ok([expected, `${apply} again`].includes(inputs["update"] as string), name);
      assert.equal(inputs["addPreviousOutputInEnv"], false, name);
      assert.match(String(inputs["stdin"]), /^main "\$@" <\/dev\/null$/m, name);
    }
  });

  it("have a remove command for forwards, control-plane nodes and what is left of them only", async () => {
    const recording = await recordStack();
    for (const { name, inputs } of recording.all(COMMAND)) {
      const removes = /-(forward|bootstrap|clean-up)$/.test(name);
      const remove = `sudo -n sh -s -- remove organization/control-plane-lb/dev ${name.split("-")[0]}`;
      assert.equal(inputs["delete"], removes ? remove : undefined, name);
    }
  });

  it("remove what is left of a failed installation after everything else of their host", async () => {
    const recording = await recordStack();
    for (const { name, inputs } of recording.all(COMMAND)) {
      if (inputs["delete"] === undefined || name.endsWith("-clean-up")) continue;
      assertBefore(recording, name, [`${name.split("-")[0]}-clean-up`]);
    }
  });

  it("tell a bootstrap and a CA that an earlier run has succeeded", async () => {
    for (const topology of ["daemonset", "external"]) {
      const recording = await recordStack({ topology });
      for (const { name, inputs } of recording.all(COMMAND)) {
        if (name.endsWith("-clean-up")) continue;
        const knows = /-(bootstrap|ca)$/.test(name);
        assert.doesNotMatch(String(inputs["create"]), / again$/, name);
        assert.equal(/ again$/.test(String(inputs["update"])), knows, name);
      }
    }
  });

  it("need no sudo as root", async () => {
    const recording = await recordStack({ ssh: { ...ssh, user: "root" } });
    assert.equal(
      recording.find(COMMAND, "m1-forward").inputs["create"],
      "sh -s -- apply organization/control-plane-lb/dev m1",
    );
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
      const secret = /-(bootstrap|kubeconfig|kubeconfig-renewed)$|-join-credentials-/.test(name);
      assert.equal(secretInputs.includes("stdin"), secret, `${name} stdin`);
      assert.equal(inputs["logging"], secret ? "none" : undefined, `${name} logging`);
      assert.equal(options.additionalSecretOutputs.includes("stdout"), secret, `${name} stdout`);
    }
    const plain = JSON.stringify(recording.resources.map(({ inputs }) => withoutSecrets(inputs)));
    assert.ok(!plain.includes("very secret"));
  });

  it("are reached through the bastion", async () => {
    const bastion = { host: "jump.example", user: "me", hostKey: HOST_KEY };
    const recording = await recordStack({ ssh: { ...ssh, bastion } });
    const connection = recording.find(COMMAND, "m2-forward").inputs["connection"] as object;
    const { proxy } = connection as { proxy: Record<string, unknown> };
    assert.deepEqual(
      { host: proxy["host"], user: proxy["user"], hostKey: proxy["hostKey"] },
      { host: "jump.example", user: "me", hostKey: HOST_KEY },
    );
  });

  it("are all listed in the first preview", async () => {
    const names = async (preview: boolean) =>
      (await recordStack({}, { preview })).resources
        .map(({ type, name }) => `${type} ${name}`)
        .sort();
    assert.deepEqual(await names(true), await names(false));
  });
});

describe("the script of a node", () => {
  it("changes with its generation, and only its own and the kubeconfig's", async () => {
    const scripts = async (generation: number) => {
      const nodes = { m1: node(11), m2: node(12, { generation }), m3: node(13) };
      const recording = await recordStack({ nodes });
      return new Map(recording.all(COMMAND).map(({ name, inputs }) => [name, inputs["stdin"]]));
    };
    const [first, second] = [await scripts(1), await scripts(2)];
    assert.deepEqual(
      [...first.keys()].filter((name) => first.get(name) !== second.get(name)).sort(),
      [
        ...["m1-kubeconfig", "m1-kubeconfig-renewed"],
        ...["m2-bootstrap", "m2-forward", "m2-join-credentials-from/m1", "m2-preflight"],
        "m2-reachability",
      ],
    );
  });

  it("names the generation that the operator raises", async () => {
    const recording = await recordStack({
      nodes: { m1: node(11), m2: node(12, { generation: 4 }) },
    });
    const text = String(recording.find(COMMAND, "m2-bootstrap").inputs["stdin"]);
    assert.match(text, /raise nodes\.m2\.generation to 5 in the configuration and run `pulumi up`/);
  });

  it("may create a cluster on the first node by name only", async () => {
    const recording = await recordStack({ nodes: { m10: node(10), m9: node(9), m11: node(11) } });
    const initNodes = recording
      .all(COMMAND)
      .filter(({ inputs }) => /^INIT_NODE='?yes/m.test(String(inputs["stdin"])))
      .map(({ name }) => name);
    assert.deepEqual(initNodes, ["m9-bootstrap"]);
  });
});

describe("the kubeconfig", () => {
  const renewal = async (kubeconfigDays: number) => {
    const recording = await recordStack({}, { kubeconfigDays });
    return String(recording.find(COMMAND, "m1-kubeconfig-renewed").inputs["stdin"]);
  };

  it("is not read again while its certificate is valid for long", async () => {
    assert.doesNotMatch(await renewal(365), /admin\.conf|read again/);
  });

  it("is read again on each day of its certificate's last 60 days", async () => {
    const today = new Date().toISOString().slice(0, 10);
    const text = await renewal(30);
    assert.ok(text.includes(`read again on ${today}`) && text.includes("admin.conf"), text);
  });
});

describe("a lost node", () => {
  const nodes = { m1: node(11, { lost: true }), m2: node(12), m3: node(13) };

  it("keeps its resources unchanged, and runs no command when they are deleted", async () => {
    const recording = await recordStack({ nodes });
    const own = recording.all(COMMAND).filter(({ name }) => name.startsWith("m1-"));
    assert.deepEqual(own.map(({ name }) => name).sort(), [
      "m1-bootstrap",
      "m1-clean-up",
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

  it("neither asks for the LB port of others nor is asked", async () => {
    const recording = await recordStack({ nodes });
    assert.ok(!recording.all(COMMAND).some(({ name }) => name === "m1-reachability"));
    const script = String(recording.find(COMMAND, "m2-reachability").inputs["stdin"]);
    assert.deepEqual(script.match(/^reach .*$/gm), ["reach 'm3' '10.0.0.13' &"]);
  });

  it("issues no join credentials, is no backend, and leaves the init to the next node", async () => {
    const recording = await recordStack({ nodes });
    const names = recording.resources.map(({ name }) => name);
    assert.ok(names.includes("m2-kubeconfig"));
    assert.ok(names.includes("m2-join-credentials-from/m3"));
    assert.ok(!names.some((name) => name.endsWith("-from/m1") || name === "backends-key-m1"));
    for (const { name, inputs } of recording.all(COMMAND)) {
      const connection = inputs["connection"] as { host: string };
      assert.equal(connection.host === "10.0.0.11", name.startsWith("m1-"), name);
    }
  });
});

/** Inputs of a resource without its top-level secrets. */
function withoutSecrets(inputs: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const secret = ["connection", "stdin", "kubeconfig"];
  return Object.fromEntries(Object.entries(inputs).filter(([key]) => !secret.includes(key)));
}

describe("a node that is away", () => {
  const nodes = { m1: node(11, { away: true }), m2: node(12), m3: node(13) };

  it("keeps its resources unchanged, and is not removed with them", async () => {
    const recording = await recordStack({ nodes });
    const own = recording.all(COMMAND).filter(({ inputs }) => {
      return (inputs["connection"] as { host: string }).host === "10.0.0.11";
    });
    assert.deepEqual(own.map(({ name }) => name).sort(), [
      "m1-bootstrap",
      "m1-clean-up",
      "m1-forward",
      "m1-preflight",
      "m1-reachability",
    ]);
    for (const { options } of own) {
      assert.equal(options.retainOnDelete, false);
      for (const input of ["connection", "stdin", "create", "update", "delete"]) {
        assert.ok(options.ignoreChanges.includes(input), input);
      }
    }
  });

  it("stays a backend and a member, and leaves the init to the next node", async () => {
    const recording = await recordStack({ nodes });
    const names = recording.resources.map(({ name }) => name);
    for (const name of ["backends-key-m1", "m2-kubeconfig", "m2-join-credentials-from/m3"]) {
      assert.ok(names.includes(name), name);
    }
    const list = recording.find(
      "kubernetes:core/v1:ConfigMapPatch",
      "backends-control-plane-nodes",
    );
    assert.match(JSON.stringify(list.inputs), /m1.*m2.*m3/);
  });

  it("changes no script of the other nodes, which only stop asking for its LB port", async () => {
    const last = { m1: node(11), m2: node(12), m3: node(13, { away: true }) };
    const [before, after] = [
      await recordStack({ nodes: { ...last, m3: node(13) } }),
      await recordStack({ nodes: last }),
    ];
    const scripts = (recording: typeof before) =>
      new Map(
        recording
          .all(COMMAND)
          .filter(({ name }) => !/^m[12]-reachability$/.test(name))
          .map(({ name, inputs }) => [name, inputs["stdin"]]),
      );
    assert.deepEqual(scripts(after), scripts(before));
    const check = String(after.find(COMMAND, "m1-reachability").inputs["stdin"]);
    assert.deepEqual(check.match(/^reach .*$/gm), ["reach 'm2' '10.0.0.12' &"]);
  });
});
