import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { BootstrapOptions } from "../../../host/kubeadm/bootstrap-script";
import { PrivateRoot } from "../support/private-root";
import {
  bootstrap,
  INIT,
  member,
  OTHER,
  OWN,
  STARTED,
  THIRD,
  untilTrue,
} from "./control-plane-node";

const RESET =
  "kubeadm reset --force --kubeconfig /run/control-plane-lb-kubeadm/none --cert-dir /etc/kubernetes/pki";
const DELETE_NODE = `kubectl at ${OTHER}:6443: delete node m1 --ignore-not-found --wait=false`;
const VIRTUAL_IP = "control-plane-lb-virtual-ip-6444.service";
const STOP_KUBELET = "systemctl stop kubelet.service";

const OTHERS = [
  { name: "m2", address: OTHER },
  { name: "m3", address: THIRD },
];

/** Stops the API server as kubelet does when its manifest is gone, and keeps the calls so far. */
const KUBELET = `while [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ]; do sleep 0.1; done
cp /fake/calls /fake/calls-at-stop
rm -f /fake/up/${OWN}:6443`;

describe("removal of a control-plane node, with stub binaries", function () {
  this.timeout(240_000);
  let machine: PrivateRoot;

  beforeEach(async () => {
    machine = await PrivateRoot.create([OWN, OTHER, THIRD]);
  });

  afterEach(() => machine.dispose());

  const remove = (change: Partial<BootstrapOptions> = {}) =>
    machine.run(bootstrap({ others: OTHERS, ...change }), "remove");

  /** m1, m2 and m3 are control-plane nodes; the cluster lists these. */
  async function cluster(listed?: readonly string[]): Promise<void> {
    const created = await machine.run(bootstrap({ others: OTHERS }), "apply");
    assert.equal(created.code, 0, created.stderr);
    for (const address of [OTHER, THIRD]) {
      await machine.serve(`${address}:6443`);
      await machine.serve(`${address}:2379`);
    }
    machine.write(
      "members.json",
      JSON.stringify([
        member("11", OWN, "m1"),
        member("22", OTHER, "m2"),
        member("33", THIRD, "m3"),
      ]),
    );
    machine.begin(KUBELET);
    if (listed !== undefined) machine.write("control-plane-nodes", JSON.stringify(listed));
    machine.write("calls", "");
  }

  const isControlPlaneNode = () => machine.has("etc/kubernetes/manifests/kube-apiserver.yaml");

  describe("that the cluster no longer lists", () => {
    it("drains the node, removes its member and its Node, then resets the host", async () => {
      await cluster(["m2", "m3"]);
      const outcome = await remove();
      assert.equal(outcome.code, 0, outcome.stderr);
      assert.deepEqual(machine.changes(), [
        `kubectl at ${OWN}:6443: patch configmap haproxy-backends --type merge --patch {"data":{"m1":null}}`,
        `kubectl at ${OWN}:6443: drain m1 --ignore-daemonsets --delete-emptydir-data --force --timeout 300s`,
        `etcd at ${OTHER}:2379: remove 11`,
        STOP_KUBELET,
        DELETE_NODE,
        RESET,
      ]);
    });

    it("stops its API server before its member goes, and waits until it is out of the EndpointSlice", async () => {
      await cluster(["m2", "m3"]);
      const outcome = await remove();
      assert.equal(outcome.code, 0, outcome.stderr);
      assert.doesNotMatch(outcome.stderr, /has not stopped|is still in/);
      assert.match(machine.read("calls-at-stop"), /: drain m1/);
      assert.doesNotMatch(machine.read("calls-at-stop"), /: remove 11/);
      assert.match(machine.read("calls"), /: get endpointslice kubernetes[^]*: remove 11/);
    });

    it("gives up the virtual IP while its API server still serves, and takes part again where it stays", async () => {
      await cluster(["m2", "m3"]);
      const units = path.join(machine.root, "etc/systemd/system");
      mkdirSync(units, { recursive: true });
      writeFileSync(path.join(units, VIRTUAL_IP), "");
      machine.write("etcd-refuses", "remove");
      const script = bootstrap({ others: OTHERS }).replace(
        "wait_for 60 remove_own",
        "wait_for 1 remove_own",
      );
      await machine.run(script, "remove");
      assert.match(
        machine.read("calls-at-stop"),
        new RegExp(`: drain m1[^]*systemctl stop ${VIRTUAL_IP}`),
      );
      assert.match(machine.read("calls"), new RegExp(`systemctl start ${VIRTUAL_IP}`));
    });

    it("starts its API server again when its member cannot be removed", async () => {
      await cluster(["m2", "m3"]);
      machine.write("etcd-refuses", "remove");
      const outcome = await machine.run(
        bootstrap({ others: OTHERS }).replace(
          "wait_for 60 remove_own_member",
          "wait_for 1 remove_own_member",
        ),
        "remove",
      );
      assert.equal(outcome.code, 1);
      assert.match(outcome.stderr, /etcd did not remove its member on m1/);
      assert.ok(isControlPlaneNode());
    });

    it("is no success while etcd does not list its members", async () => {
      await cluster(["m2", "m3"]);
      const script = bootstrap({ others: OTHERS }).replace(
        "wait_for 60 remove_own_member",
        "echo list >/fake/etcd-refuses; wait_for 1 remove_own_member",
      );
      const outcome = await machine.run(script, "remove");
      assert.equal(outcome.code, 1);
      assert.match(outcome.stderr, /etcd did not remove its member on m1/);
      assert.ok(isControlPlaneNode());
      assert.deepEqual(
        machine.changes().filter((line) => /reset|delete node/.test(line)),
        [],
      );
    });

    it("is no success while a drain fails and the API server does not say whether there is a Node", async () => {
      await cluster(["m2", "m3"]);
      machine.write("kubectl-refuses", "^drain\n^get node\n");
      const outcome = await remove();
      assert.equal(outcome.code, 1);
      assert.match(
        outcome.stderr,
        /kubectl drain m1 failed.*does not say whether there is such a Node/s,
      );
      assert.ok(isControlPlaneNode());
    });

    it("goes on after a failed drain where the Node is gone", async () => {
      await cluster(["m2", "m3"]);
      machine.write("kubectl-refuses", "^drain\n");
      machine.remove("nodes/m1");
      const outcome = await remove();
      assert.equal(outcome.code, 0, outcome.stderr);
      assert.ok(!isControlPlaneNode());
    });

    it("transfers etcd's leadership first", async () => {
      await cluster(["m2", "m3"]);
      machine.write("leader", "11");
      const outcome = await remove();
      assert.equal(outcome.code, 0, outcome.stderr);
      assert.equal(machine.changes()[0], `etcd at ${OWN}:2379: transfer {"targetID":"22"}`);
    });

    it("leaves none of its own files", async () => {
      await cluster(["m2", "m3"]);
      await remove();
      assert.ok(!machine.has("var/lib/control-plane-lb"));
    });

    it("is refused where etcd would lose its quorum", async () => {
      await cluster(["m2", "m3"]);
      await machine.silence(`${THIRD}:2379`);
      const outcome = await remove();
      assert.equal(outcome.code, 1);
      assert.match(outcome.stderr, /would stay, 1 answer \(down: m3\).*nothing was changed/s);
      assert.deepEqual(machine.changes(), []);
    });

    it("is refused with the advice to end the cluster when no other etcd answers", async () => {
      await cluster(["m2", "m3"]);
      await machine.silence(`${OTHER}:2379`);
      await machine.silence(`${THIRD}:2379`);
      const outcome = await remove();
      assert.equal(outcome.code, 1);
      assert.match(outcome.stderr, /cannot leave.*nothing was changed.*To end it: end it all/);
      assert.deepEqual(machine.changes(), []);
    });
  });

  describe("with the whole cluster", () => {
    for (const [name, listed] of [
      ["that lists it", ["m1", "m2", "m3"]],
      ["without a list", undefined],
    ] as const) {
      it(`${name} leaves the host as it is`, async () => {
        await cluster(listed);
        const outcome = await remove();
        assert.equal(outcome.code, 0, outcome.stderr);
        assert.deepEqual(machine.changes(), []);
        assert.ok(isControlPlaneNode());
      });
    }

    it("removes member and Node and resets the host where the configuration says so", async () => {
      await cluster();
      const outcome = await remove({ resetOnRemove: true });
      assert.equal(outcome.code, 0, outcome.stderr);
      assert.deepEqual(machine.changes(), [`etcd at ${OTHER}:2379: remove 11`, DELETE_NODE, RESET]);
    });
  });

  describe("that the cluster lists, with the request to reset", () => {
    it("leaves the host as it is while the cluster is in use", async () => {
      await cluster(["m1", "m2", "m3"]);
      machine.write("in-use", "");
      const outcome = await remove({ resetOnRemove: true });
      assert.equal(outcome.code, 0, outcome.stderr);
      assert.deepEqual(machine.changes(), []);
      assert.ok(isControlPlaneNode());
      assert.match(outcome.stdout, /m1 stays in its cluster/);
    });

    it("resets the host when the whole stack is destroyed", async () => {
      await cluster(["m1", "m2", "m3"]);
      const outcome = await remove({ resetOnRemove: true });
      assert.equal(outcome.code, 0, outcome.stderr);
      assert.deepEqual(machine.changes(), [`etcd at ${OTHER}:2379: remove 11`, DELETE_NODE, RESET]);
    });
  });

  it("is refused where the list is missing", async () => {
    await cluster([]);
    machine.write("control-plane-nodes", "");
    machine.write("in-use", "");
    const outcome = await remove({ resetOnRemove: true });
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /has no annotation.*nothing was changed/);
    assert.deepEqual(machine.changes(), []);
  });

  it("leaves a cluster that is in use and no longer lists it", async () => {
    await cluster(["m2", "m3"]);
    machine.write("in-use", "");
    const outcome = await remove();
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.ok(machine.changes().includes(RESET));
  });

  it("is refused on a control-plane node without admin.conf, and changes nothing", async () => {
    await cluster(["m2", "m3"]);
    await machine.begin("rm /etc/kubernetes/admin.conf").done;
    const outcome = await remove();
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /admin\.conf is missing.*nothing was changed\. Copy the file/);
    assert.deepEqual(machine.changes(), []);
    assert.ok(isControlPlaneNode());
  });

  it("is taken back by the next apply where it was interrupted after its API server", async () => {
    await cluster(["m2", "m3"]);
    await machine.begin(
      "mv /etc/kubernetes/manifests/kube-apiserver.yaml /var/lib/control-plane-lb/",
    ).done;
    await untilTrue(() => machine.has("fake/calls-at-stop") && !machine.has(`fake/up/${OWN}:6443`));
    await machine.serve(`${OWN}:6443`);
    const outcome = await machine.run(bootstrap({ others: OTHERS }), "apply");
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.ok(isControlPlaneNode());
  });

  it("does nothing on a blank host", async () => {
    const outcome = await remove();
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.deepEqual(machine.changes(), []);
  });

  it("changes nothing where no API server answers", async () => {
    await cluster(["m2", "m3"]);
    for (const address of [OWN, OTHER, THIRD]) await machine.silence(`${address}:6443`);
    const outcome = await remove();
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /no API server answers.*nothing was changed/);
    assert.ok(isControlPlaneNode());
  });

  it("resets a host on which kubeadm did not finish", async () => {
    machine.write("script/init", "rm /fake/script/init; kill -9 $PPID $$\n");
    assert.equal((await machine.run(bootstrap({ others: OTHERS }), "apply")).code, 1);
    assert.ok(machine.has(STARTED));
    const outcome = await remove();
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.deepEqual(machine.changes().slice(INIT.length), [STOP_KUBELET, RESET]);
    assert.ok(!machine.has(STARTED));
  });
});
