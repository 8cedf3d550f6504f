import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { HOLDER } from "../support/machine-root";
import { killGroup, PrivateRoot } from "../support/private-root";
import {
  absent,
  bootstrap,
  INIT,
  joinCredentials,
  OTHER,
  OWN,
  RUN,
  STARTED,
  untilTrue,
} from "./control-plane-node";

const CA = "etc/kubernetes/pki/ca.crt";

describe("bootstrap of a control-plane node, with stub binaries", function () {
  this.timeout(240_000);
  let machine: PrivateRoot;

  beforeEach(async () => {
    machine = await PrivateRoot.create([OWN, OTHER]);
  });

  afterEach(() => machine.dispose());

  /** Runs sh on the host. */
  async function onHost(text: string): Promise<void> {
    const outcome = await machine.run(text, "apply");
    assert.equal(outcome.code, 0, outcome.stderr);
  }

  async function succeed(script = bootstrap(), ...words: string[]): Promise<void> {
    const outcome = await machine.run(script, "apply", HOLDER, ...words);
    assert.equal(outcome.code, 0, outcome.stderr);
  }

  /** Runs a script that must fail; resolves with its stderr. */
  async function refuse(script = bootstrap(), ...words: string[]): Promise<string> {
    const outcome = await machine.run(script, "apply", HOLDER, ...words);
    assert.equal(outcome.code, 1, outcome.stderr);
    return outcome.stderr;
  }

  const called = (text: string) => machine.read("calls").includes(text);

  describe("where there is no cluster", () => {
    it("creates the CA, then the cluster, on a blank init node", async () => {
      await succeed();
      assert.deepEqual(machine.changes(), INIT);
    });

    it("gives kubeadm its own version", async () => {
      await succeed();
      assert.match(machine.read("init.yaml"), /kubernetesVersion: "?v1\.35\.4/);
    });

    it("leaves neither a marker nor a file of the run", async () => {
      await succeed();
      assert.ok(!machine.has(STARTED) && !machine.has(RUN));
    });

    it("changes nothing the second time", async () => {
      await succeed();
      await succeed();
      assert.deepEqual(machine.changes(), INIT);
    });

    it("changes nothing on a blank host that is not the init node", async () => {
      assert.match(
        await refuse(bootstrap({ initNode: false })),
        /^m1-bootstrap: no other control-plane node had a cluster .*nothing was changed.*ask for new ones/m,
      );
      assert.ok(!called("kubeadm"));
    });
  });

  describe("where the other control-plane nodes are out of reach", () => {
    const UNROUTED = [{ name: "m2", address: "192.0.2.7" }];

    for (const [how, others] of [
      ["refuses", undefined],
      ["has no route to it", UNROUTED],
    ] as const) {
      const change = others === undefined ? {} : { others };

      it(`creates the cluster on the first day although one ${how}`, async () => {
        await succeed(bootstrap(change));
        assert.deepEqual(machine.changes(), INIT);
      });

      it(`creates no second cluster with an old answer of one that ${how}`, async () => {
        const old = bootstrap({ ...change, joinCredentials: [absent(7200)] });
        assert.match(
          await refuse(old),
          /nodes \(m2\) had no cluster 72\d\d s ago: that is too long ago.*nothing was changed.*asked again: ask for new ones/,
        );
        assert.ok(!called("kubeadm init"));
      });

      it(`creates no second cluster where an earlier run has succeeded and one ${how}`, async () => {
        assert.match(
          await refuse(bootstrap(change), "again"),
          /m1 had a cluster before.*nodes \(m2\) issued no join credentials.*second cluster; nothing was changed.*reprovisioned: ask for new ones.*gone for good: make a new one/,
        );
        assert.ok(!called("kubeadm init"));
      });
    }

    it("refuses an answer without a time, and none, and names a node that is away", async () => {
      for (const line of ["absent", ""]) {
        const message = await refuse(bootstrap({ joinCredentials: [absent(), line] }));
        assert.match(
          message,
          /one that is away was never asked.*nothing was changed.*leave it out/,
        );
        assert.doesNotMatch(message, / s ago/);
      }
      assert.ok(!called("kubeadm init"));
    });

    it("creates no second cluster of one node", async () => {
      await refuse(bootstrap({ others: [], joinCredentials: [] }), "again");
      assert.ok(!called("kubeadm init"));
    });

    it("changes nothing on a node that serves, whatever the answers were", async () => {
      await succeed();
      await succeed(bootstrap({ joinCredentials: [absent(7200)] }), "again");
      assert.deepEqual(machine.changes(), INIT);
    });
  });

  describe("where something answers", () => {
    for (const target of [`${OTHER}:6443`, `${OTHER}:6444`, `${OWN}:6444`]) {
      it(`creates no second cluster while ${target} answers with TLS`, async () => {
        await machine.serve(target);
        const message = await refuse();
        assert.ok(message.includes(`${target} answers: there is a cluster already`), message);
        assert.ok(!called("kubeadm init"));
      });
    }

    it("says how a reprovisioned init node gets join credentials", async () => {
      await machine.serve(`${OTHER}:6443`);
      assert.match(await refuse(), /If m1 was reprovisioned: ask for new ones\./);
    });

    it("creates no second cluster while a control-plane node accepts connections and sends nothing", async () => {
      await machine.serve(`${OTHER}:6443`, "hang");
      assert.match(await refuse(), /10\.99\.0\.2:6443 accepts connections and sends nothing/);
      assert.ok(!called("kubeadm init"));
    });
  });

  describe("after an interrupted init", () => {
    const DIE = "mkdir -p /etc/kubernetes/manifests; rm /fake/script/init; kill -9 $PPID $$\n";
    const SERVE_AND_DIE =
      "all_certificates; control_plane_node; rm /fake/script/init; kill -9 $PPID $$\n";

    it("resets the host and starts again", async () => {
      machine.write("script/init", DIE);
      assert.match(await refuse(), /kubeadm init failed/);
      assert.ok(machine.has(STARTED));
      await succeed();
      const reset = machine.changes().findIndex((line) => line.startsWith("kubeadm reset"));
      assert.ok(reset > 0, machine.changes().join("\n"));
      assert.deepEqual(machine.changes().slice(-INIT.length), INIT);
      assert.ok(!machine.has(STARTED));
    });

    it("needs no new answers of the other nodes", async () => {
      machine.write("script/init", DIE);
      await refuse();
      await succeed(bootstrap({ joinCredentials: [absent(7200)] }));
      assert.deepEqual(machine.changes().slice(-INIT.length), INIT);
    });

    it("keeps the CA that a user placed on the host", async () => {
      await onHost(`mkdir -p /etc/kubernetes/pki; cp /fake/pki/ca.key /etc/kubernetes/pki/
        { echo "the company's CA"; cat /fake/pki/ca.crt; } >/${CA}`);
      machine.write("script/init", DIE);
      await refuse();
      await succeed();
      assert.ok(called("kubeadm reset"));
      assert.match(readFileSync(path.join(machine.root, CA), "utf8"), /^the company's CA\n/);
    });

    it("runs init over itself, without a reset, where the API server serves", async () => {
      machine.write("script/init", SERVE_AND_DIE);
      machine.write("kubelet-active", "");
      await refuse();
      await succeed();
      assert.ok(!called("kubeadm reset"));
      assert.match(machine.read("calls"), /kubeadm init .*--ignore-preflight-errors=all/);
    });

    it("refuses a host whose CA another tool has replaced", async () => {
      machine.write("script/init", SERVE_AND_DIE);
      await refuse();
      await onHost(`echo another >/${CA}`);
      assert.match(
        await refuse(),
        /not the CA of the interrupted kubeadm init.*nothing was changed/,
      );
      assert.ok(!called("kubeadm reset"));
    });

    it("waits for a kubeadm that outlives its script", async () => {
      machine.write("script/init", "until [ -e /fake/go ]; do sleep 0.1; done\n");
      const first = machine.begin(bootstrap(), "apply", ...HOLDER);
      await untilTrue(() => called("kubeadm init --config"));
      killGroup(first.child.pid ?? 0);
      await first.done;
      const second = machine.begin(bootstrap(), "apply", ...HOLDER);
      machine.write("go", "");
      const outcome = await second.done;
      assert.equal(outcome.code, 0, outcome.stderr);
      assert.deepEqual(machine.changes(), INIT);
    });
  });

  describe("on a host of a cluster", () => {
    it("never resets a control-plane node that is down", async () => {
      await succeed();
      await machine.silence(`${OWN}:6443`);
      const impatient = bootstrap().replace(
        "wait_for 300 own_api_ready",
        "wait_for 3 own_api_ready",
      );
      assert.match(await refuse(impatient), /is not ready after .*nothing was reset/);
      assert.deepEqual(machine.changes(), INIT);
    });

    it("refuses a worker, with the advice to leave it out", async () => {
      await onHost("mkdir -p /etc/kubernetes; touch /etc/kubernetes/kubelet.conf");
      assert.match(await refuse(), /not a control-plane node.*a worker to keep: leave it out/);
      assert.ok(!called("kubeadm init"));
    });

    it("refuses kubeadm's external CA mode and leaves the user's files", async () => {
      await onHost(`mkdir -p /etc/kubernetes/pki; cp /fake/pki/ca.crt /etc/kubernetes/pki/
        for name in admin kubelet controller-manager scheduler; do echo user >/etc/kubernetes/$name.conf; done`);
      const message = await refuse();
      assert.match(message, /external CA mode is not supported; nothing was changed/);
      assert.doesNotMatch(message, /kubeadm reset/);
      assert.equal(
        readFileSync(path.join(machine.root, "etc/kubernetes/admin.conf"), "utf8"),
        "user\n",
      );
    });

    it("refuses a CA without its key before kubeadm runs", async () => {
      await onHost("mkdir -p /etc/kubernetes/pki; cp /fake/pki/ca.crt /etc/kubernetes/pki/");
      assert.match(await refuse(), /external CA mode is not supported; nothing was changed/);
      assert.ok(!called("kubeadm init"));
    });

    it("changes nothing where the CA was rotated since the join credentials were issued", async () => {
      await succeed();
      await machine.serve(`${OTHER}:6443`);
      const caCert = Buffer.from("the former CA\n").toString("base64");
      await succeed(bootstrap({ joinCredentials: [joinCredentials(machine, { caCert })] }));
      assert.deepEqual(machine.changes(), INIT);
    });

    it("advises no reset where etcd has data but no manifest", async () => {
      await succeed();
      await onHost("rm /etc/kubernetes/manifests/kube-apiserver.yaml");
      const message = await refuse();
      assert.match(message, /nothing was changed.*restore its manifests/);
      assert.doesNotMatch(message, /kubeadm reset/);
    });

    it("advises no reset on a control-plane node of another cluster", async () => {
      await succeed();
      const caCert = Buffer.from("another CA\n").toString("base64");
      const message = await refuse(
        bootstrap({ joinCredentials: [joinCredentials(machine, { caCert })] }),
      );
      assert.match(message, /of another cluster.*nothing was changed.*: leave it out/);
      assert.doesNotMatch(message, /kubeadm reset/);
    });
  });
});
