import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { bootstrapScript, type BootstrapOptions } from "../../../host/kubeadm/bootstrap-script";
import { joinCredentialsScript } from "../../../host/kubeadm/join-credentials-script";
import { killGroup, PrivateRoot } from "../support/private-root";

const OWN = "10.99.0.1";
const OTHER = "10.99.0.2";
const STARTED = "var/lib/control-plane-lb/bootstrap-started";
const TOKEN = "abcdef.0123456789abcdef";

const INIT = [
  "kubeadm init phase certs ca --config /run/control-plane-lb-kubeadm/init.yaml",
  "kubeadm init --config /run/control-plane-lb-kubeadm/init.yaml --skip-token-print --skip-certificate-key-print",
];

function script(change: Partial<BootstrapOptions> = {}): string {
  return bootstrapScript({
    settings: {
      endpoint: { host: OWN, port: 6444 },
      apiPort: 6443,
      certSANs: [],
      ignorePreflightErrors: [],
      skipPhases: [],
      fragments: {},
    },
    node: { name: "m1", address: OWN },
    others: [{ name: "m2", address: OTHER }],
    initNode: true,
    tickets: ["absent"],
    generation: 1,
    resetOnRemove: false,
    ...change,
  });
}

describe("bootstrap of a control-plane node, against stub binaries", function () {
  this.timeout(240_000);
  let machine: PrivateRoot;

  beforeEach(async () => {
    machine = await PrivateRoot.create([OWN, OTHER]);
  });

  afterEach(() => machine.dispose());

  function ticket(): string {
    const json = JSON.stringify({
      token: TOKEN,
      caCertHashes: [`sha256:${"a".repeat(64)}`],
      certificateKey: "b".repeat(64),
      caCert: readFileSync(path.join(machine.fake, "pki/ca.crt")).toString("base64"),
    });
    return `ticket ${Buffer.from(json).toString("base64")}`;
  }

  /** m2 is a control-plane node that serves and that knows the join credentials's token. */
  async function otherServes(): Promise<void> {
    await machine.serve(`${OTHER}:6443`);
    await machine.serve(`${OTHER}:2379`);
    await machine.serve(`${OWN}:6444`);
    machine.write("members.json", JSON.stringify([member("22", OTHER, "m2")]));
    machine.write("cluster-info", '{"data":{"jws-kubeconfig-abcdef":"signed"}}');
  }

  function member(id: string, address: string, name?: string): object {
    return {
      ID: id,
      ...(name === undefined ? {} : { name, clientURLs: [`https://${address}:2379`] }),
      peerURLs: [`https://${address}:2380`],
    };
  }

  it("makes the cluster on a blank head: the CA first, and does nothing the second time", async () => {
    const first = await machine.run(script(), "apply");
    assert.equal(first.code, 0, first.stderr);
    assert.deepEqual(machine.changes(), INIT);
    assert.match(machine.read("init.yaml"), /kubernetesVersion: "?v1\.35\.4/);
    assert.ok(!machine.has(STARTED), "the marker is gone");
    assert.ok(!machine.has("run/control-plane-lb-kubeadm"), "no secret stays");
    const second = await machine.run(script(), "apply");
    assert.equal(second.code, 0, second.stderr);
    assert.deepEqual(machine.changes(), INIT);
  });

  it("changes nothing on a blank host that is not the head and has no join credentials", async () => {
    const outcome = await machine.run(script({ initNode: false }), "apply");
    assert.equal(outcome.code, 1);
    assert.match(
      outcome.stderr,
      /^m1-bootstrap: no other master had a cluster .*nothing was changed/m,
    );
    assert.ok(!machine.read("calls").includes("kubeadm"));
  });

  for (const target of [`${OTHER}:6443`, `${OTHER}:6444`, `${OWN}:6444`]) {
    it(`makes no second cluster while ${target} answers with TLS`, async () => {
      await machine.serve(target);
      const outcome = await machine.run(script(), "apply");
      assert.equal(outcome.code, 1);
      assert.match(
        outcome.stderr,
        /answers: there is a cluster already.*nodes\.m1\.generation to 2.*pulumi up/s,
      );
      assert.ok(outcome.stderr.includes(target));
      assert.ok(!machine.read("calls").includes("kubeadm init"));
    });
  }

  it("makes no second cluster while something takes connections of a control-plane node and is silent", async () => {
    await machine.serve(`${OTHER}:6443`, "hang");
    const outcome = await machine.run(script(), "apply");
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /10\.99\.0\.2:6443 takes connections and answers nothing/);
    assert.ok(!machine.read("calls").includes("kubeadm init"));
  });

  it("clears an init that was killed half-way, and begins again; users' own CA survives that", async () => {
    machine.write(
      "script/init",
      "mkdir -p /etc/kubernetes/manifests; rm /fake/script/init; kill -9 $PPID $$\n",
    );
    const first = await machine.run(script(), "apply");
    assert.equal(first.code, 1);
    assert.match(first.stderr, /kubeadm init failed/);
    assert.ok(machine.has(STARTED));
    const second = await machine.run(script(), "apply");
    assert.equal(second.code, 0, second.stderr);
    const reset = machine.changes().findIndex((line) => line.startsWith("kubeadm reset"));
    assert.ok(reset > 0, "reset of our own half-made node");
    assert.deepEqual(machine.changes().slice(-INIT.length), INIT);
    assert.ok(!machine.has(STARTED));
  });

  it("finishes an init that was cut off while its API server serves, without a reset", async () => {
    machine.write("script/init", joinThenDie());
    machine.write("kubelet-active", "");
    const first = await machine.run(script(), "apply");
    assert.equal(first.code, 1);
    const second = await machine.run(script(), "apply");
    assert.equal(second.code, 0, second.stderr);
    assert.ok(!machine.read("calls").includes("kubeadm reset"));
    assert.match(machine.read("calls"), /kubeadm init .*--ignore-preflight-errors=all/);
  });

  function joinThenDie(): string {
    return `mkdir -p /etc/kubernetes/manifests /var/lib/etcd/member
touch /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/admin.conf /fake/up/${OWN}:6443
rm /fake/script/init
kill -9 $PPID $$
`;
  }

  it("waits for a kubeadm that goes on after its script was killed, instead of starting another", async () => {
    machine.write("script/init", "until [ -e /fake/go ]; do sleep 0.1; done\n");
    const first = machine.begin(script(), "apply");
    await untilTrue(() => machine.read("calls").includes("kubeadm init --config"));
    killGroup(first.child.pid ?? 0);
    await first.done;
    const second = machine.begin(script(), "apply");
    machine.write("go", "");
    const outcome = await second.done;
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.deepEqual(machine.changes(), INIT);
  });

  it("never resets a control-plane node that is merely down: it says so", async () => {
    assert.equal((await machine.run(script(), "apply")).code, 0);
    await machine.silence(`${OWN}:6443`);
    const impatient = script().replace("wait_for 300 own_api_ready", "wait_for 3 own_api_ready");
    const outcome = await machine.run(impatient, "apply");
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /has not become ready.*nothing was reset/);
    assert.deepEqual(machine.changes(), INIT);
  });

  it("refuses a host that is a worker already", async () => {
    assert.equal(
      (await machine.run("mkdir -p /etc/kubernetes; touch /etc/kubernetes/kubelet.conf", "apply"))
        .code,
      0,
    );
    const outcome = await machine.run(script(), "apply");
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /not a master.*kubeadm reset -f/);
    assert.ok(!machine.read("calls").includes("kubeadm init"));
  });

  it("joins with join credentials even where it is the head, and takes its earlier life out of the cluster first", async () => {
    await otherServes();
    machine.write(
      "members.json",
      JSON.stringify([member("11", OWN, "m1"), member("22", OTHER, "m2")]),
    );
    machine.write("nodes/m1", "");
    const outcome = await machine.run(script({ tickets: ["absent", ticket()] }), "apply");
    assert.equal(outcome.code, 0, outcome.stderr);
    const run = "--config /run/control-plane-lb-kubeadm/join.yaml";
    assert.deepEqual(machine.changes(), [
      `kubeadm join phase control-plane-prepare download-certs ${run}`,
      `kubeadm join phase control-plane-prepare certs ${run}`,
      `kubeadm join phase control-plane-prepare kubeconfig ${run}`,
      `etcd at ${OTHER}:2379: remove 11`,
      `kubectl at ${OTHER}:6443: delete node m1 --ignore-not-found --wait=false`,
      `kubeadm join ${run}`,
    ]);
    assert.match(machine.read("join.yaml"), new RegExp(`token: "${TOKEN}"`));
    assert.match(machine.read("join.yaml"), /certificateKey: "b{64}/);
    assert.ok(!machine.read("calls").includes(TOKEN), "no secret in arguments");
    assert.ok(!machine.has("run/control-plane-lb-kubeadm"), "no secret stays");
  });

  it("clears a failed join and tries once more, then shows the log without secrets", async () => {
    await otherServes();
    machine.write("script/join", `echo "token ${TOKEN} refused"; exit 1\n`);
    const outcome = await machine.run(script({ initNode: false, tickets: [ticket()] }), "apply");
    assert.equal(outcome.code, 1);
    const joins = machine.changes().filter((line) => line.startsWith("kubeadm join --config"));
    assert.equal(joins.length, 2);
    assert.match(outcome.stderr, /token <token> refused/);
    assert.ok(!outcome.stderr.includes(TOKEN));
    machine.remove("script/join");
    const next = await machine.run(script({ initNode: false, tickets: [ticket()] }), "apply");
    assert.equal(next.code, 0, next.stderr);
  });

  it("says how to get a new join credentials when the join credentials has expired, before any change", async () => {
    await otherServes();
    machine.write("cluster-info", '{"data":{}}');
    const impatient = script({ initNode: false, tickets: [ticket()] }).replace(
      "$(now) + 60",
      "$(now) + 2",
    );
    const outcome = await machine.run(impatient, "apply");
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /expired.*nothing was changed.*nodes\.m1\.generation to 2/);
    assert.ok(!machine.read("calls").includes("kubeadm join"));
  });

  it("gives no join credentials on a blank host, and one that joins on a control-plane node", async () => {
    const absent = await machine.run(joinCredentialsScript({ for: "m2", generation: 1 }), "apply");
    assert.deepEqual([absent.code, absent.stdout], [0, "absent\n"], absent.stderr);
    assert.equal((await machine.run(script(), "apply")).code, 0);
    const manifest = `    - --advertise-address=${OWN}\n    - --secure-port=6443\n`;
    const write = `printf '${manifest.replaceAll("\n", "\\n")}' >/etc/kubernetes/manifests/kube-apiserver.yaml`;
    assert.equal((await machine.run(write, "apply")).code, 0);
    const lines = [];
    for (let time = 0; time < 2; time++) {
      const given = await machine.run(joinCredentialsScript({ for: "m2", generation: 1 }), "apply");
      assert.equal(given.code, 0, given.stderr);
      lines.push(given.stdout);
    }
    assert.equal(lines[0], lines[1], "the same certificate key for the same joining host");
    const json: unknown = JSON.parse(
      Buffer.from(lines[0]?.split(" ")[1] ?? "", "base64").toString(),
    );
    const given = json as { token: string; certificateKey: string; caCert: string };
    assert.equal(given.token, TOKEN);
    assert.match(machine.read("upload-certs.yaml"), new RegExp(given.certificateKey));
    assert.ok(!machine.read("calls").includes(given.certificateKey), "no secret in arguments");
    assert.equal(
      Buffer.from(given.caCert, "base64").toString(),
      readFileSync(path.join(machine.fake, "pki/ca.crt"), "utf8"),
    );
  });

  it("gives no join credentials without the key of the cluster's CA, and says so before a token is made", async () => {
    assert.equal((await machine.run(script(), "apply")).code, 0);
    assert.equal((await machine.run("rm /etc/kubernetes/pki/ca.key", "apply")).code, 0);
    const outcome = await machine.run(joinCredentialsScript({ for: "m2", generation: 1 }), "apply");
    assert.equal(outcome.code, 1, outcome.stdout);
    assert.match(outcome.stderr, /no \/etc\/kubernetes\/pki\/ca\.key/);
    assert.equal(outcome.stdout, "");
    assert.ok(!machine.read("calls").includes("kubeadm token create"));
  });
});

async function untilTrue(condition: () => boolean): Promise<void> {
  const end = Date.now() + 60_000;
  while (!condition()) {
    assert.ok(Date.now() < end, "the condition did not come true within 60 s");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
