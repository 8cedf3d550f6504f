import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { readJoinCredentials, type JoinCredentials } from "../../../host/kubeadm/join-credentials";
import type { Outcome } from "../support/machine-root";
import { PrivateRoot } from "../support/private-root";
import { ADVICE, bootstrap, issueFor, OTHER, OWN, TOKEN } from "./control-plane-node";

const MANIFEST = `    - --advertise-address=${OWN}\\n    - --secure-port=6443\\n`;

describe("join credentials, with stub binaries", function () {
  this.timeout(240_000);
  let machine: PrivateRoot;

  before(async () => {
    machine = await PrivateRoot.create([OWN, OTHER]);
  });

  after(() => machine.dispose());

  const issue = () => machine.run(issueFor("m2"), "apply");

  async function onHost(text: string): Promise<void> {
    const outcome = await machine.run(text, "apply");
    assert.equal(outcome.code, 0, outcome.stderr);
  }

  it("are absent on a blank host, with the time of the answer", async () => {
    const outcome = await issue();
    assert.equal(outcome.code, 0, outcome.stderr);
    const seconds = Number(/^absent ([0-9]+)\n$/.exec(outcome.stdout)?.[1]);
    assert.ok(Math.abs(seconds - Date.now() / 1000) < 60, outcome.stdout);
  });

  describe("of a control-plane node", () => {
    let first: Outcome;
    let issued: JoinCredentials;

    before(async () => {
      await onHost(bootstrap());
      await onHost(`printf '${MANIFEST}' >/etc/kubernetes/manifests/kube-apiserver.yaml`);
      first = await issue();
      assert.equal(first.code, 0, first.stderr);
      const read = readJoinCredentials([first.stdout], ADVICE);
      assert.ok("credentials" in read && read.credentials[0] !== undefined, first.stdout);
      issued = read.credentials[0];
    });

    it("hold a bootstrap token", () => assert.equal(issued.token, TOKEN));

    it("hold the cluster's CA", () => {
      assert.equal(
        Buffer.from(issued.caCert, "base64").toString(),
        readFileSync(path.join(machine.fake, "pki/ca.crt"), "utf8"),
      );
    });

    it("hold the key of the uploaded certificates", () => {
      assert.match(machine.read("upload-certs.yaml"), new RegExp(issued.certificateKey));
    });

    it("pass no secret as an argument", () => {
      assert.ok(!machine.read("calls").includes(issued.certificateKey));
    });

    it("hold the same certificate key when they are issued again", async () => {
      assert.equal((await issue()).stdout, first.stdout);
    });

    it("are refused without the CA's key before a token is created", async () => {
      await onHost("rm /etc/kubernetes/pki/ca.key");
      machine.write("calls", "");
      const outcome = await issue();
      assert.equal(outcome.code, 1, outcome.stdout);
      assert.match(outcome.stderr, /there is no \/etc\/kubernetes\/pki\/ca\.key.*no token/);
      assert.ok(!machine.read("calls").includes("kubeadm token create"));
    });
  });
});
