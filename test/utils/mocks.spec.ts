import assert from "node:assert/strict";
import * as command from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { recordResources, UNKNOWN, valueOf } from "../../pulumi-test-utils/src/index";

const COMMAND = "command:remote:Command";
const connection = { host: "10.0.0.1", privateKey: pulumi.secret("KEY") };

class Host extends pulumi.ComponentResource {
  constructor(name: string, opts?: pulumi.ComponentResourceOptions) {
    super("test:index:Host", name, {}, opts);
    new command.remote.Command(`${name}-a`, { connection, create: "true" }, { parent: this });
    this.registerOutputs({});
  }
}

describe("recordResources", () => {
  it("records inputs without marks, and the paths of the secret ones", async () => {
    const { find } = await recordResourcesBound(() => {
      new command.remote.Command("c", {
        connection,
        create: "cat",
        stdin: pulumi.secret("hidden"),
      });
    });
    const recorded = find(COMMAND, "c");
    assert.equal(recorded.inputs.stdin, "hidden");
    assert.equal((recorded.inputs.connection as { privateKey: string }).privateKey, "KEY");
    assert.ok(recorded.secretInputs.includes("stdin"));
    assert.ok(recorded.secretInputs.includes("connection"));
    assert.ok(!recorded.secretInputs.includes("create"));
  });

  it("gives children the URN of their component as parent, and the chain of types", async () => {
    const recording = await recordResources(() => new Host("m1"));
    const host = recording.find("test:index:Host", "m1");
    const child = recording.find(COMMAND, "m1-a");
    assert.equal(child.parent, host.urn);
    assert.equal(host.parent, undefined);
    assert.equal(
      child.urn,
      "urn:pulumi:test::project::test:index:Host$command:remote:Command::m1-a",
    );
    assert.equal(host.custom, false);
  });

  it("records options and dependencies", async () => {
    const recording = await recordResources(() => {
      const first = new command.remote.Command("first", { connection, create: "true" });
      new command.remote.Command(
        "second",
        { connection, create: pulumi.interpolate`echo ${first.stdout}` },
        { protect: true, additionalSecretOutputs: ["stdout"], customTimeouts: { create: "5m" } },
      );
      new command.remote.Command("third", { connection }, { dependsOn: [first] });
    });
    const second = recording.find(COMMAND, "second");
    assert.deepEqual(recording.dependencies(second), ["first"]);
    assert.deepEqual(recording.dependencies(recording.find(COMMAND, "third")), ["first"]);
    assert.equal(second.options.protect, true);
    assert.ok(second.options.additionalSecretOutputs.includes("stdout"));
    assert.deepEqual(second.options.customTimeouts, { create: "5m" });
    assert.equal(recording.all(COMMAND).length, 3);
  });

  it("gives the outputs to the program, secret if it asks for that", async () => {
    const { result } = await recordResources(
      () => {
        const made = new command.remote.Command(
          "c",
          { connection, create: "true" },
          { additionalSecretOutputs: ["stdout"] },
        );
        return { out: made.stdout, err: made.stderr };
      },
      { outputs: () => ({ stdout: "hello" }) },
    );
    assert.equal(await valueOf(result.out), "hello");
    assert.equal(await pulumi.isSecret(result.out), true);
    assert.equal(await valueOf(result.err), "");
    assert.ok(!(await pulumi.isSecret(result.err)));
  });

  it("waits for resources that are created in an apply", async () => {
    const { resources } = await recordResources(() => {
      const one = new k8s.core.v1.ConfigMap("one", { data: { a: "b" } });
      one.urn.apply(() => new k8s.core.v1.ConfigMap("two", {}));
    });
    assert.deepEqual(
      resources.map((r) => r.name),
      ["one", "two"],
    );
  });

  it("names the explicit provider", async () => {
    const { find } = await recordResourcesBound(() => {
      const provider = new k8s.Provider("cluster", { kubeconfig: pulumi.secret("{}") });
      new k8s.core.v1.ConfigMap("one", { data: { a: "b" } }, { provider });
    });
    assert.match(find("kubernetes:core/v1:ConfigMap", "one").provider ?? "", /::cluster::/);
    assert.deepEqual(find("pulumi:providers:kubernetes", "cluster").secretInputs, ["kubeconfig"]);
  });

  it("gives the program its configuration, stack and project", async () => {
    const { result } = await recordResources(
      () => ({
        nodes: new pulumi.Config().requireObject("nodes"),
        key: new pulumi.Config("other").requireSecret("key"),
        stack: pulumi.getStack(),
      }),
      {
        project: "p",
        stack: "s",
        config: { "p:nodes": '{"m1":1}', "other:key": "v" },
        secretKeys: ["other:key"],
      },
    );
    assert.deepEqual(result.nodes, { m1: 1 });
    assert.equal(await valueOf(result.key), "v");
    assert.equal(result.stack, "s");
  });

  it("leaves outputs unknown in a preview", async () => {
    const { find } = await recordResourcesBound(
      () => {
        const first = new command.remote.Command("first", { connection, create: "true" });
        new command.remote.Command("second", { connection, stdin: first.stdout });
      },
      { preview: true },
    );
    assert.equal(find(COMMAND, "second").inputs.stdin, UNKNOWN);
  });

  it("fails with the program's own error, wherever it appears", async () => {
    const inProgram = recordResources(() => {
      throw new Error("first");
    });
    await assert.rejects(inProgram, /first/);
    const inApply = recordResources(() => {
      new k8s.core.v1.ConfigMap("one", {
        data: pulumi.output("x").apply((): Record<string, string> => {
          throw new Error("second");
        }),
      });
    });
    await assert.rejects(inApply, /second/);
    const missing = await recordResources(() => new Host("m1"));
    assert.throws(() => missing.find(COMMAND, "none"), /there are:\n {2}test:index:Host m1/);
  });

  it("refuses two resources of one name", async () => {
    const twice = recordResources(() => {
      new command.remote.Command("c", { connection });
      new command.remote.Command("c", { connection });
    });
    await assert.rejects(twice, /Duplicate resource URN/);
  });
});

/** `find` without its object. */
async function recordResourcesBound<T>(...args: Parameters<typeof recordResources<T>>) {
  const recording = await recordResources(...args);
  return { find: (type: string, name: string) => recording.find(type, name) };
}
