import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { bootstrapScript, type BootstrapOptions } from "../../../host/kubeadm/bootstrap-script";
import type { SharedKeys } from "../../../host/kubeadm/shared-keys";
import { sharedKeysScript } from "../../../host/kubeadm/shared-keys-script";
import { PrivateRoot } from "../support/private-root";
import {
  bootstrapOptions,
  INIT,
  member,
  OTHER,
  otherServes,
  OWN,
  STARTED,
  THIRD,
  TOKEN,
  untilTrue,
} from "./control-plane-node";

const PKI = "etc/kubernetes/pki";

describe("a control-plane node that has the cluster's keys, with stub binaries", function () {
  this.timeout(240_000);
  let machine: PrivateRoot;

  beforeEach(async () => {
    machine = await PrivateRoot.create([OWN, OTHER]);
  });

  afterEach(() => machine.dispose());

  const fake = (name: string) => readFileSync(path.join(machine.fake, "pki", name), "utf8");
  const onHost = (name: string) => readFileSync(path.join(machine.root, PKI, name), "utf8");
  const called = (text: string) => machine.read("calls").includes(text);

  const sharedKeys = (): SharedKeys => ({
    caCert: fake("ca.crt"),
    caKey: fake("ca.key"),
    etcdCaCert: fake("ca.crt"),
    etcdCaKey: fake("ca.key"),
    frontProxyCaCert: "certificate\n",
    frontProxyCaKey: "it's a key\n",
    serviceAccountKey: "private\n",
    serviceAccountPublicKey: "public\n",
  });

  const putKeys = (change: Partial<SharedKeys> = {}) =>
    machine.run(sharedKeysScript("m1", { ...sharedKeys(), ...change }), "apply");

  /** The bootstrap of a host that waits for the cluster for so many seconds. */
  function script(change: Partial<BootstrapOptions> = {}, seconds = 60): string {
    const shared = { caCert: fake("ca.crt"), joinToken: TOKEN };
    const options = bootstrapOptions({ joinCredentials: [], shared, ...change });
    return bootstrapScript(options).replace(/^CLUSTER_SECONDS=.*$/m, `CLUSTER_SECONDS=${seconds}`);
  }

  async function succeed(text = script()): Promise<void> {
    const outcome = await machine.run(text, "apply");
    assert.equal(outcome.code, 0, outcome.stderr);
  }

  /** Resolves with the stderr of a bootstrap that fails. */
  async function refuse(text: string): Promise<string> {
    const outcome = await machine.run(text, "apply");
    assert.equal(outcome.code, 1, outcome.stderr);
    return outcome.stderr;
  }

  describe("gets them", () => {
    it("as files of kubeadm, keys for root alone", async () => {
      assert.equal((await putKeys()).code, 0);
      assert.equal(onHost("ca.crt"), fake("ca.crt"));
      assert.equal(onHost("front-proxy-ca.key"), "it's a key\n");
      assert.equal(onHost("etcd/ca.key"), fake("ca.key"));
      const mode = (name: string) => statSync(path.join(machine.root, PKI, name)).mode & 0o777;
      assert.deepEqual(["ca.crt", "ca.key", "sa.key"].map(mode), [0o644, 0o600, 0o600]);
    });

    it("and again without a change", async () => {
      await putKeys();
      assert.equal((await putKeys()).code, 0);
    });

    it("not where other keys are, and then none of them", async () => {
      await putKeys();
      const outcome = await putKeys({ serviceAccountKey: "another\n", caCert: fake("ca.crt") });
      assert.equal(outcome.code, 1);
      assert.match(outcome.stderr, /another \/etc\/kubernetes\/pki\/sa\.key.*nothing was changed/);
      assert.equal(onHost("sa.key"), "private\n");
    });

    it("not where files of a cluster are", async () => {
      await machine.run("mkdir -p /etc/kubernetes; touch /etc/kubernetes/kubelet.conf", "apply");
      assert.equal((await putKeys()).code, 0);
      assert.ok(!machine.has(`${PKI}/ca.key`));
    });
  });

  describe("as init node", () => {
    it("creates the cluster with them and the token where nothing answers", async () => {
      await putKeys();
      await succeed();
      assert.deepEqual(machine.changes(), INIT);
      assert.equal(onHost("ca.crt"), fake("ca.crt"));
      assert.match(machine.read("init.yaml"), new RegExp(`token: ${TOKEN}\\n *ttl: "?0s`));
    });

    it("keeps them when a failed init is reset", async () => {
      await putKeys();
      machine.write("script/init", "rm /fake/script/init; rm -r /etc/kubernetes/pki; exit 1\n");
      await refuse(script());
      await succeed();
      assert.ok(called("kubeadm reset"));
      assert.equal(onHost("front-proxy-ca.key"), "it's a key\n");
    });

    it("joins where the cluster answers: a wiped first machine makes no second one", async () => {
      await otherServes(machine);
      await succeed();
      assert.ok(called("kubeadm join --config") && !called("kubeadm init --config"));
    });

    it("makes no cluster where etcd of another node answers, and no API server", async () => {
      await machine.serve(`${OTHER}:2379`);
      const message = await refuse(script({}, 1));
      assert.match(message, /10\.99\.0\.2:2379 answers, but not as an API server/);
      assert.ok(!called("kubeadm init") && !called("kubeadm join"));
    });

    it("makes no cluster where another node accepts connections and sends nothing", async () => {
      await machine.serve(`${OTHER}:6443`, "hang");
      await refuse(script({}, 1));
      assert.ok(!called("kubeadm init"));
    });
  });

  describe("as any other node", () => {
    const others = { initNode: false };

    it("waits until the cluster answers, then joins without downloading a key", async () => {
      const waiting = machine.begin(script(others), "apply", "o/p/s", "m1");
      await untilTrue(() => machine.has("run/control-plane-lb-kubeadm/ca.crt"));
      await otherServes(machine);
      const outcome = await waiting.done;
      assert.equal(outcome.code, 0, outcome.stderr);
      assert.match(outcome.stdout, /waits up to 1 minutes until the cluster answers at 10\.99/);
      assert.match(machine.read("join.yaml"), new RegExp(`token: "?${TOKEN}`));
      assert.doesNotMatch(machine.read("join.yaml"), /certificateKey/);
    });

    it("gives up at the deadline, and says what to look at", async () => {
      const message = await refuse(script(others, 1));
      assert.match(
        message,
        /m1-bootstrap: no API server of this cluster has answered at 10\.99\.0\.1:6444 .*nothing was changed.*first one by name makes the cluster.*run this again/,
      );
      assert.ok(!called("kubeadm init") && !called("kubeadm join") && !machine.has(STARTED));
    });

    it("waits until the cluster knows the token", async () => {
      await otherServes(machine);
      machine.remove("cluster-info");
      const waiting = machine.begin(script(others), "apply", "o/p/s", "m1");
      await untilTrue(() => machine.has("run/control-plane-lb-kubeadm/join-credentials"));
      machine.write("cluster-info", '{"data":{"jws-kubeconfig-abcdef":"signed"}}');
      assert.equal((await waiting.done).code, 0);
    });

    it("names the Secret of a token that the cluster does not know", async () => {
      await otherServes(machine);
      machine.write("cluster-info", '{"data":{}}');
      const impatient = script(others).replace(/^TOKEN_SECONDS=.*$/m, "TOKEN_SECONDS=1");
      assert.match(
        await refuse(impatient),
        /does not know the join token.*bootstrap-token-abcdef\); nothing was changed/,
      );
    });

    it("waits for its turn while another etcd member is a learner", async () => {
      await otherServes(machine);
      const learner = { ...member("33", THIRD, "m3"), isLearner: true };
      machine.write("members.json", JSON.stringify([member("22", OTHER, "m2"), learner]));
      const waiting = machine.begin(script(others), "apply", "o/p/s", "m1");
      const asked = path.join(machine.root, "run/control-plane-lb-kubeadm/learners");
      const joins = () => called("kubeadm join --config");
      await untilTrue(() => existsSync(asked) && statSync(asked).size > 0);
      const { mtimeMs } = statSync(asked);
      // it asks again, or does not wait
      await untilTrue(() => statSync(asked).mtimeMs > mtimeMs || joins());
      assert.ok(!joins());
      machine.write("members.json", JSON.stringify([member("22", OTHER, "m2")]));
      const outcome = await waiting.done;
      assert.equal(outcome.code, 0, outcome.stderr);
      assert.ok(joins());
    });

    it("joins at the third attempt where others joined meanwhile", async () => {
      await otherServes(machine);
      machine.write(
        "script/join",
        "echo x >>/fake/tries; [ $(wc -l </fake/tries) -gt 2 ] || exit 1\n",
      );
      await putKeys();
      await succeed(script(others));
      assert.equal(machine.read("tries"), "x\nx\nx\n");
      assert.equal(onHost("front-proxy-ca.key"), "it's a key\n");
    });
  });
});
