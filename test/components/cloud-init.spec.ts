import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import * as pulumi from "@pulumi/pulumi";
import { before, describe, it } from "mocha";
import { parse } from "yaml";
import { recordResources, valueOf, type Recording } from "../../pulumi-test-utils/src/index";
import { cloudInitStack, type CloudInitOutputs } from "../../stacks/cloud-init";
import type { ClusterSecrets } from "../../stacks/cluster-secrets";
import { newClusterSecrets } from "../../stacks/new-cluster-secrets";
import { certificates, kubeconfig } from "../support/certificates";
import { read } from "../unit/stacks/example";
import { COMMAND } from "./record-stack";

const STASH = "pulumi:index:Stash";
const SECRET = "kubernetes:core/v1:Secret";
const MANAGER = "organization/control-plane-lb/dev";
const loadBalancers = { lb1: { address: "10.0.0.21" } };
const external = { topology: "external" };
const dedicated = { ...external, loadBalancers };
/** Of the cluster whose CA the secrets hold. */
const known = { kubeconfig: kubeconfig("https://lb.example:6444") };

describe("a stack with bootstrap cloudInit", () => {
  let secrets: ClusterSecrets;

  before(async () => {
    secrets = { ...(await newClusterSecrets()), caCert: certificates().ca };
  });

  function record(changes: Record<string, unknown> = {}): Promise<Recording<CloudInitOutputs>> {
    const settings = read({ bootstrap: "cloudInit", ssh: undefined, ...changes });
    return recordResources(() => Promise.resolve(cloudInitStack(settings)), {
      stack: "dev",
      project: "control-plane-lb",
      outputs: (type, name) => ({
        ...(name === "cluster-secrets" ? { output: secrets } : {}),
        ...(type === SECRET ? { data: { token: "" } } : {}),
      }),
    });
  }

  /** The files of each machine's user data, by the name of the machine. */
  async function filesOf(changes: Record<string, unknown> = {}): Promise<Map<string, string[]>> {
    const { result } = await record(changes);
    return new Map(
      Object.entries(await valueOf(result.userData)).map(([name, text]) => {
        const { write_files: files } = parse(text) as { write_files: { content: string }[] };
        return [name, files.map(({ content }) => unpack(content))];
      }),
    );
  }

  const unpack = (content: string) => gunzipSync(Buffer.from(content, "base64")).toString();

  /** Names of the steps of each machine, in order. */
  async function stepsOf(changes: Record<string, unknown> = {}): Promise<Record<string, string>> {
    const steps = [...(await filesOf(changes))].map(([name, files]) => {
      const runner = files.find((text) => text.startsWith("# Makes this machine's first boot"));
      const names = [...(runner ?? "").matchAll(/^step '([a-z]+)'/gm)].map((found) => found[1]);
      return [name, names.join(" ")] as const;
    });
    return Object.fromEntries(steps);
  }

  it("connects to no machine and asks no cluster", async () => {
    const { resources } = await record();
    assert.deepEqual(
      resources.map(({ type, name }) => [type, name]),
      [
        [STASH, "topology"],
        [STASH, "cluster-secrets"],
      ],
    );
  });

  it("keeps the secrets and the user data secret", async () => {
    const recording = await record();
    const { options, secretInputs } = recording.find(STASH, "cluster-secrets");
    assert.deepEqual(secretInputs, ["input"]);
    assert.deepEqual([...options.additionalSecretOutputs].sort(), ["input", "output"]);
    assert.deepEqual(options.ignoreChanges, ["input"]);
    assert.equal(await pulumi.isSecret(recording.result.userData), true);
    assert.equal(recording.result.endpoint, "https://lb.example:6444");
  });

  describe("lets machines make these steps", () => {
    const kubeadm = "keys kubeadm";
    const service = "updater haproxy";
    const cases: Record<string, [Record<string, unknown>, Record<string, string>]> = {
      "in topology daemonset": [
        {},
        {
          m1: `preflight forward ${kubeadm} objects`,
          m2: `preflight forward ${kubeadm}`,
          m3: `preflight forward ${kubeadm}`,
        },
      ],
      "in topology external": [
        external,
        {
          m1: `preflight ${service} ${kubeadm} objects token`,
          m2: `preflight ${service} ${kubeadm} token`,
          m3: `preflight ${service} ${kubeadm} token`,
        },
      ],
      "with dedicated load-balancer hosts": [
        dedicated,
        {
          m1: `preflight ${kubeadm} objects`,
          m2: `preflight ${kubeadm}`,
          m3: `preflight ${kubeadm}`,
          lb1: `preflight ${service} token`,
        },
      ],
      "without an init node, once there is a cluster": [
        known,
        {
          m1: `preflight forward ${kubeadm}`,
          m2: `preflight forward ${kubeadm}`,
          m3: `preflight forward ${kubeadm}`,
        },
      ],
    };
    for (const [name, [changes, steps]] of Object.entries(cases)) {
      it(name, async () => assert.deepEqual(await stepsOf(changes), steps));
    }
  });

  it("lets the first node alone create a cluster, and none once there is one", async () => {
    const creators = async (changes: Record<string, unknown>) =>
      [...(await filesOf(changes))]
        .filter(([, files]) => files.some((text) => text.includes("INIT_NODE='yes'")))
        .map(([name]) => name);
    assert.deepEqual(await creators({}), ["m1"]);
    assert.deepEqual(await creators(known), []);
  });

  it("gives load-balancer hosts the CA's certificate and a token of their own, and no key", async () => {
    const files = await filesOf(dedicated);
    const holds = (name: string, text: string) =>
      files.get(name)?.some((each) => each.includes(text)) === true;
    assert.ok(holds("lb1", secrets.caCert.trim()) && holds("lb1", secrets.loadBalancerToken));
    const { caCert, loadBalancerToken, ...others } = secrets;
    for (const [key, value] of Object.entries(others)) {
      const secret = value.trim().split("\n").slice(0, 2).join("\n");
      assert.ok(!holds("lb1", secret), key);
      assert.ok(holds("m2", secret), key);
    }
    assert.ok(holds("m2", caCert.trim()) && !holds("m2", loadBalancerToken));
  });

  it("keeps user data within the limits of the field that docs/cloud-init.md names", async () => {
    const kib = async (changes: Record<string, unknown>, machine: string) => {
      const { result } = await record(changes);
      return Buffer.byteLength((await valueOf(result.userData))[machine] ?? "") / 1024;
    };
    assert.ok((await kib({}, "m2")) < 64);
    assert.ok((await kib(dedicated, "m1")) < 32);
    assert.ok((await kib(dedicated, "lb1")) < 64);
  });

  it("tells every part in user data that this stack and this machine hold it", async () => {
    const [runner] = ((await filesOf()).get("m2") ?? []).filter((text) =>
      text.includes("first boot"),
    );
    assert.match(runner ?? "", /^stack='organization\/control-plane-lb\/dev'\nnode='m2'$/m);
  });

  it("adds what the user gives every machine", async () => {
    const userConfig = { ntp: { enabled: true }, runcmd: ["echo {{ ds.meta_data.name }}"] };
    const { result } = await record({ cloudInit: { userConfig } });
    const document = parse((await valueOf(result.userData))["m3"] ?? "") as typeof userConfig;
    assert.deepEqual(document.ntp, userConfig.ntp);
    assert.equal(document.runcmd[0], userConfig.runcmd[0]);
    assert.equal(document.runcmd.length, 3);
  });

  it("leaves out a node that is lost", async () => {
    const nodes = { m1: { address: "10.0.0.11", lost: true }, m2: { address: "10.0.0.12" } };
    const files = await filesOf({ nodes });
    assert.deepEqual([...files.keys()], ["m2"]);
    assert.ok(!files.get("m2")?.some((text) => /^m1 /m.test(text)));
  });

  describe("with the cluster's kubeconfig", () => {
    const objects = ({ resources }: Recording<unknown>) =>
      resources.filter(({ type }) => type.startsWith("kubernetes:"));

    /** Field managers by the names of resources. */
    const managers = (recording: Recording<unknown>) =>
      Object.fromEntries(
        objects(recording).map(({ name, inputs }) => {
          const { annotations } = inputs["metadata"] as { annotations: Record<string, string> };
          return [name, annotations["pulumi.com/patchFieldManager"]];
        }),
      );

    /** Field managers under which the init node applies. */
    async function firstManagers(changes: Record<string, unknown>): Promise<string[]> {
      const script = (await filesOf(changes))
        .get("m1")
        ?.find((text) => text.includes("m1-objects: usage"));
      return [...(script ?? "").matchAll(/^piece_\d+ (\S+)$/gm)].map((found) => found[1] ?? "");
    }

    const TOPOLOGIES: Record<string, Record<string, unknown>> = {
      daemonset: {},
      "daemonset, variant mounted": { daemonset: { variant: "mounted" } },
      external,
      "dedicated load-balancer hosts": dedicated,
    };
    for (const [name, changes] of Object.entries(TOPOLOGIES)) {
      it(`takes over the objects that the init node made: ${name}`, async () => {
        const used = managers(await record({ ...changes, ...known }));
        for (const [resource, manager] of Object.entries(used)) {
          const ofBackends = /^backends-(?!config-map)/.test(resource);
          assert.equal(manager, ofBackends ? resource : MANAGER, resource);
        }
        const first = new Set(await firstManagers(changes));
        assert.deepEqual([...first].sort(), [...new Set(Object.values(used))].sort());
      });
    }

    it("connects to no machine", async () => {
      assert.deepEqual((await record({ ...dedicated, ...known })).all(COMMAND), []);
    });

    it("keeps the token of load-balancer hosts valid, and secret", async () => {
      const recording = await record({ ...dedicated, ...known, discovery: "both" });
      const { inputs, secretInputs } = recording.find(SECRET, "load-balancers-token");
      const [id] = secrets.loadBalancerToken.split(".");
      assert.equal((inputs["metadata"] as { name: string }).name, `bootstrap-token-${id}`);
      assert.ok(secretInputs.some((path) => path.startsWith("data")));
      const names = recording.resources.map(({ name }) => name);
      for (const suffix of ["role-binding", "slice-role-binding"]) {
        assert.ok(names.includes(`load-balancers-${suffix}`), suffix);
      }
      assert.ok(!names.some((name) => name.startsWith("access-token")));
    });

    it("refuses one of another cluster before any object changes", async () => {
      secrets = { ...secrets, caCert: (await newClusterSecrets()).caCert };
      const recording = record(known);
      await assert.rejects(
        recording,
        /kubeconfig: its certificate authority is not that of this stack's user data.*nothing was changed/,
      );
      secrets = { ...secrets, caCert: certificates().ca };
    });
  });
});
