import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { caScript } from "../../../host/kubeadm/ca-script";
import { HOLDER } from "../support/machine-root";
import { PrivateRoot } from "../support/private-root";
import {
  absent,
  bootstrap,
  bootstrapOptions,
  INIT,
  joinCredentials,
  OTHER,
  OWN,
} from "./control-plane-node";

const CA = "etc/kubernetes/pki/ca.crt";

describe("the cluster's CA before the cluster, with stub binaries", function () {
  this.timeout(240_000);
  let machine: PrivateRoot;

  beforeEach(async () => {
    machine = await PrivateRoot.create([OWN, OTHER]);
  });

  afterEach(() => machine.dispose());

  const run = (verb: "apply" | "remove", lines = [absent()], ...words: string[]) =>
    machine.run(caScript(bootstrapOptions({ joinCredentials: lines })), verb, HOLDER, ...words);

  const ca = () => readFileSync(path.join(machine.fake, "pki/ca.crt"), "utf8");

  async function onHost(text: string): Promise<void> {
    const outcome = await machine.run(text, "apply");
    assert.equal(outcome.code, 0, outcome.stderr);
  }

  it("is created by kubeadm and printed", async () => {
    const outcome = await run("apply");
    assert.deepEqual([outcome.code, outcome.stdout], [0, ca()], outcome.stderr);
    assert.deepEqual(machine.changes(), INIT.slice(0, 1));
  });

  it("is printed again without a change", async () => {
    await run("apply");
    assert.equal((await run("apply")).stdout, ca());
    assert.equal(machine.changes().length, 1);
  });

  it("is that of the join credentials", async () => {
    const caCert = Buffer.from("another CA\n").toString("base64");
    const outcome = await run("apply", [joinCredentials(machine, { caCert })]);
    assert.deepEqual([outcome.code, outcome.stdout], [0, "another CA\n"], outcome.stderr);
    assert.ok(!machine.has(CA));
  });

  it("is not created while a cluster answers", async () => {
    await machine.serve(`${OTHER}:6443`);
    const outcome = await run("apply");
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /there is a cluster already/);
    assert.ok(!machine.has(CA));
  });

  it("is not created again where an earlier run has printed one", async () => {
    const outcome = await run("apply", [absent()], "again");
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /would make a second cluster; nothing was changed/);
    assert.ok(!machine.has(CA));
  });

  it("is the host's own where it was rotated since the join credentials were issued", async () => {
    await onHost(bootstrap());
    await machine.serve(`${OTHER}:6443`);
    const caCert = Buffer.from("the former CA\n").toString("base64");
    const outcome = await run("apply", [joinCredentials(machine, { caCert })]);
    assert.deepEqual([outcome.code, outcome.stdout], [0, ca()], outcome.stderr);
  });

  it("is refused where a user placed it without its key", async () => {
    await onHost("mkdir -p /etc/kubernetes/pki; cp /fake/pki/ca.crt /etc/kubernetes/pki/");
    const outcome = await run("apply");
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /external CA mode is not supported; nothing was changed/);
  });

  it("is removed where no cluster has used it", async () => {
    await run("apply");
    assert.equal((await run("remove")).code, 0);
    assert.ok(!machine.has(CA) && !machine.has("var/lib/control-plane-lb"));
  });

  it("stays where a cluster uses it", async () => {
    await run("apply");
    await onHost(bootstrap());
    assert.equal((await run("remove")).code, 0);
    assert.ok(machine.has(CA));
  });

  it("stays where a user placed it", async () => {
    await onHost("mkdir -p /etc/kubernetes/pki; cp /fake/pki/ca.* /etc/kubernetes/pki/");
    await run("apply");
    assert.equal((await run("remove")).code, 0);
    assert.ok(machine.has(CA));
  });
});
