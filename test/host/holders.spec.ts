import assert from "node:assert/strict";
import { cleanUpScript } from "../../host/clean-up-script";
import { forwardPart } from "../../host/forward/forward-part";
import type { HostPart } from "../../host/part";
import { partScript } from "../../host/part-script";
import { preflightScript } from "../../host/preflight/preflight-script";
import { forwardSettings } from "../unit/host/example-parts";
import type { Holder } from "./support/machine-root";
import { OWN_ADDRESS, PartRoot } from "./support/part-root";

const ownAddress = { from: "subnet", subnet: "10.99.0.0/24" } as const;
const forward = forwardPart(forwardSettings({ ownAddress, kind: "socat" }));
const FORWARD = "var/lib/control-plane-lb/parts/forward";

const PROD = "acme/control-plane-lb/prod";
const m1: Holder = [PROD, "m1"];
const renamed: Holder = [PROD, "cp1"];
const foreign: Holder = ["acme/control-plane-lb/test", "m1"];

describe("the record of who has installed a part", function () {
  this.timeout(120_000);
  let machine: PartRoot;
  let bare: string[];
  beforeEach(async () => {
    machine = await PartRoot.create();
    bare = await machine.snapshot();
  });
  afterEach(() => machine.dispose());

  const succeeds = async (
    run: Promise<{ code: number | null; stdout: string; stderr: string }>,
  ) => {
    const { code, stdout, stderr } = await run;
    assert.equal(code, 0, stdout + stderr);
    return stdout;
  };

  it("keeps the part when a renamed node's former name removes it", async () => {
    await succeeds(machine.applyAs(m1, forward));
    await succeeds(machine.applyAs(renamed, forward));
    const before = [await machine.processes(), await machine.must("nft list ruleset")];
    const said = await succeeds(machine.removeAs(m1, forward));
    assert.match(said, /^forward stays: acme\/control-plane-lb\/prod cp1 has it too/);
    assert.deepEqual([await machine.processes(), await machine.must("nft list ruleset")], before);
    await succeeds(machine.removeAs(renamed, forward));
    assert.deepEqual(await machine.snapshot(), bare);
  });

  it("keeps the part when a rename is taken back", async () => {
    await succeeds(machine.applyAs(m1, forward));
    const before = await machine.processes();
    await succeeds(machine.applyAs(renamed, forward));
    await succeeds(machine.removeAs(renamed, forward));
    assert.equal(await machine.processes(), before);
    await succeeds(machine.removeAs(m1, forward));
    assert.deepEqual(await machine.snapshot(), bare);
  });

  it("refuses another stack, names the holder, and changes nothing", async () => {
    await succeeds(machine.applyAs(m1, forward));
    const before = [await machine.snapshot(), await machine.processes()];
    const { code, stderr } = await machine.applyAs(foreign, forward);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^forward: forward of this host belongs to stack acme\/control-plane-lb\/prod \(as m1\); nothing was changed\./,
    );
    assert.deepEqual([await machine.snapshot(), await machine.processes()], before);
  });

  it("is released by the command that the refusal names", async () => {
    await succeeds(machine.applyAs(m1, forward));
    const { stderr } = await machine.applyAs(foreign, forward);
    await machine.must(/rm \S+$/m.exec(stderr)?.[0] ?? "false");
    await succeeds(machine.applyAs(foreign, forward));
    await succeeds(machine.removeAs(m1, forward));
    assert.ok(machine.has(FORWARD));
  });

  it("lets nobody else remove the part", async () => {
    await succeeds(machine.applyAs(m1, forward));
    const before = [await machine.snapshot(), await machine.processes()];
    const said = await succeeds(machine.removeAs(foreign, forward));
    assert.match(said, /^forward stays: it belongs to \S+prod m1, not to \S+test m1$/m);
    assert.deepEqual([await machine.snapshot(), await machine.processes()], before);
  });

  it("takes over a part without a record, as a former version has left it", async () => {
    await succeeds(machine.applyAs(m1, forward));
    await machine.must(`rm -r /${FORWARD}`);
    await succeeds(machine.applyAs(foreign, forward));
    await succeeds(machine.removeAs(foreign, forward));
    assert.deepEqual(await machine.snapshot(), bare);
  });

  it("has a script beside it that removes the part by hand", async () => {
    await succeeds(machine.applyAs(m1, forward));
    assert.equal(await machine.must(`stat -c '%a %U' /${FORWARD}/remove`), "700 root\n");
    await machine.must(`sh /${FORWARD}/remove`);
    assert.deepEqual(await machine.snapshot(), bare);
  });

  it("is refused without a stack and a node", async () => {
    const { done } = machine.begin(partScript(forward), "apply");
    const { code, stderr } = await done;
    assert.equal(code, 1);
    assert.match(stderr, /expected apply STACK NODE/);
    assert.deepEqual(await machine.snapshot(), bare);
  });

  describe("and the clean-up of a host", () => {
    const other: HostPart = {
      owner: "other",
      files: [{ path: "/etc/other", mode: "0644", content: "other\n" }],
      summary: "another part",
    };
    const cleanUp = (holder: Holder) => machine.run(cleanUpScript(), "remove", holder);

    it("removes a part whose installation has failed at any step", async () => {
      for (let step = 1; await machine.interrupt(forward, "apply", step); step += 1) {
        await succeeds(machine.run(cleanUpScript(), "remove"));
        // the very first steps have made nothing but the record's folder
        if (!machine.has(FORWARD)) assert.deepEqual(await machine.snapshot(), bare, `step ${step}`);
        else await succeeds(machine.run(partScript(forward), "remove"));
        assert.deepEqual(await machine.snapshot(), bare, `step ${step}, removed`);
      }
    });

    it("removes all parts of its stack and node, the last one first", async () => {
      await succeeds(machine.applyAs(m1, other));
      await succeeds(machine.applyAs(m1, forward));
      const said = await succeeds(cleanUp(m1));
      assert.deepEqual(
        [...said.matchAll(/parts\/(\S+)/g)].map(([, name]) => name),
        ["forward", "other"],
      );
      assert.deepEqual(await machine.snapshot(), bare);
    });

    it("leaves what another stack or another name has installed", async () => {
      await succeeds(machine.applyAs(foreign, other));
      await succeeds(machine.applyAs(renamed, forward));
      const before = [await machine.snapshot(), await machine.processes()];
      assert.equal(await succeeds(cleanUp(m1)), "");
      assert.deepEqual([await machine.snapshot(), await machine.processes()], before);
    });
  });

  describe("in the preflight", () => {
    const check = (lb: number, holder: Holder) =>
      machine.run(
        preflightScript({
          node: "m1",
          address: OWN_ADDRESS,
          ports: { lb, api: 6443, health: 6445 },
          forward: "socat",
          ownAddress,
          bootstrap: false,
        }),
        "apply",
        holder,
      );

    it("names the stack that holds the forward, whether it runs or not", async () => {
      await succeeds(machine.applyAs(m1, forward));
      await machine.must("systemctl stop control-plane-lb-forward.service");
      const { code, stderr } = await check(7444, foreign);
      assert.equal(code, 1);
      assert.match(
        stderr,
        /^m1: forward of this host belongs to stack acme\S+prod \(as m1\): destroy/m,
      );
    });

    it("names the stack that holds the LB port", async () => {
      await succeeds(machine.applyAs(m1, { ...other, owner: "listener", ports: [7444] }));
      const { stderr } = await check(7444, foreign);
      assert.match(
        stderr,
        /^m1: the LB port 7444 belongs to stack acme\S+prod \(as m1\) on this host: choose/m,
      );
    });

    it("accepts what its own stack holds, under another name too", async () => {
      await succeeds(machine.applyAs(m1, forward));
      const { stderr } = await check(6444, renamed);
      assert.doesNotMatch(stderr, /belongs to/);
    });

    const other: HostPart = { owner: "other", summary: "another part" };
  });
});
