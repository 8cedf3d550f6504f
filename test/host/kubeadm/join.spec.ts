import assert from "node:assert/strict";
import type { BootstrapOptions } from "../../../host/kubeadm/bootstrap-script";
import { KUBEADM_UNIT } from "../../../names";
import { HOLDER } from "../support/machine-root";
import { killGroup, PrivateRoot } from "../support/private-root";
import {
  absent,
  bootstrap,
  joinCredentials,
  member,
  OTHER,
  otherServes,
  OWN,
  RUN,
  STARTED,
  TOKEN,
  untilTrue,
} from "./control-plane-node";

const CONFIG = `--config /${RUN}/join.yaml`;

describe("join of a control-plane node, with stub binaries", function () {
  this.timeout(240_000);
  let machine: PrivateRoot;

  beforeEach(async () => {
    machine = await PrivateRoot.create([OWN, OTHER]);
    await otherServes(machine);
  });

  afterEach(() => machine.dispose());

  const run = (change: Partial<BootstrapOptions> = {}) => {
    const options = { initNode: false, joinCredentials: [joinCredentials(machine)], ...change };
    return machine.run(bootstrap(options), "apply");
  };

  const called = (text: string) => machine.read("calls").includes(text);

  it("prepares the certificates, then joins", async () => {
    const outcome = await run();
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.deepEqual(
      machine.changes().filter((line) => line.startsWith("kubeadm")),
      [
        `kubeadm join phase control-plane-prepare download-certs ${CONFIG}`,
        `kubeadm join phase control-plane-prepare certs ${CONFIG}`,
        `kubeadm join phase control-plane-prepare kubeconfig ${CONFIG}`,
        `kubeadm join ${CONFIG}`,
      ],
    );
  });

  it("gives the join credentials to kubeadm in its configuration", async () => {
    await run();
    assert.match(machine.read("join.yaml"), new RegExp(`token: "${TOKEN}"`));
    assert.match(machine.read("join.yaml"), /certificateKey: "b{64}/);
  });

  it("passes no secret as an argument", async () => {
    await run();
    assert.ok(!called(TOKEN) && !called("b".repeat(64)));
  });

  it("leaves no secret on the host", async () => {
    await run();
    assert.ok(!machine.has(RUN));
  });

  it("brings back a reprovisioned init node", async () => {
    const lines = [absent(), joinCredentials(machine)];
    const outcome = await run({ initNode: true, joinCredentials: lines });
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.ok(called(`kubeadm join ${CONFIG}`) && !called("kubeadm init"));
  });

  it("removes the host's earlier etcd member and Node from the cluster first", async () => {
    machine.write(
      "members.json",
      JSON.stringify([member("11", OWN, "m1"), member("22", OTHER, "m2")]),
    );
    machine.write("nodes/m1", "");
    const outcome = await run();
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.deepEqual(machine.changes().slice(-3), [
      `etcd at ${OTHER}:2379: remove 11`,
      `kubectl at ${OTHER}:6443: delete node m1 --ignore-not-found --wait=false`,
      `kubeadm join ${CONFIG}`,
    ]);
  });

  it("is tried twice", async () => {
    machine.write("script/join", "exit 1\n");
    assert.equal((await run()).code, 1);
    const joins = machine.changes().filter((line) => line.startsWith("kubeadm join --config"));
    assert.equal(joins.length, 2);
  });

  it("shows kubeadm's log without secrets when it fails", async () => {
    machine.write("script/join", `echo "token ${TOKEN} refused"; exit 1\n`);
    const outcome = await run();
    assert.match(outcome.stderr, /token <token> refused/);
    assert.ok(!outcome.stderr.includes(TOKEN));
  });

  it("succeeds after a failed one", async () => {
    machine.write("script/join", "exit 1\n");
    assert.equal((await run()).code, 1);
    assert.ok(machine.has(STARTED));
    machine.remove("script/join");
    const outcome = await run();
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.ok(!machine.has(STARTED));
  });

  it("is finished without a reset after an interruption on a node that serves", async () => {
    machine.write("script/join", "control_plane_node; rm /fake/script/join; sleep infinity\n");
    machine.write("kubelet-active", "");
    const interrupted = machine.begin(
      bootstrap({ initNode: false, joinCredentials: [joinCredentials(machine)] }),
      "apply",
      ...HOLDER,
    );
    await untilTrue(() => machine.has(`fake/up/${OWN}:6443`));
    killGroup(interrupted.child.pid ?? 0);
    await interrupted.done;
    killGroup(Number(machine.read(`units/${KUBEADM_UNIT}`)));
    machine.write("calls", "");
    const outcome = await run();
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.ok(called("kubeadm join phase control-plane-join mark-control-plane"));
    assert.ok(!called("kubeadm reset"));
  });

  describe("is refused before any change", () => {
    afterEach(() => assert.ok(!called("kubeadm join")));

    it("with expired join credentials", async () => {
      machine.write("cluster-info", '{"data":{}}');
      const impatient = bootstrap({
        initNode: false,
        joinCredentials: [joinCredentials(machine)],
      }).replace("TOKEN_SECONDS='60'", "TOKEN_SECONDS=2");
      const outcome = await machine.run(impatient, "apply");
      assert.equal(outcome.code, 1);
      assert.match(outcome.stderr, /expired.*nothing was changed.*: ask for new ones/);
    });

    const unreadable: Record<string, () => string> = {
      "a line of another kind": () => "credentials are sold out",
      "a token that could break out of sed": () =>
        joinCredentials(machine, { token: "abcdef.0123456789abcde|" }),
      "a missing certificate key": () => joinCredentials(machine, { certificateKey: undefined }),
    };
    for (const [name, line] of Object.entries(unreadable)) {
      it(`with ${name}`, async () => {
        const outcome = await run({ joinCredentials: [line()] });
        assert.equal(outcome.code, 1);
        assert.match(outcome.stderr, /cannot be read; nothing was changed.*: ask for new ones/);
        assert.ok(!outcome.stderr.includes(line()));
      });
    }

    it("with join credentials of two clusters", async () => {
      const caCert = Buffer.from("another CA\n").toString("base64");
      const lines = [joinCredentials(machine), joinCredentials(machine, { caCert })];
      const outcome = await run({ joinCredentials: lines });
      assert.equal(outcome.code, 1);
      assert.match(outcome.stderr, /different clusters.*nothing was changed.*: leave it out/);
    });
  });
});
