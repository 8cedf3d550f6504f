import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import { forwardPart } from "../../host/forward/forward-part";
import type { HostPart } from "../../host/part";
import { partScript } from "../../host/part-script";
import { haproxyPart } from "../../host/service/haproxy-part";
import { tokenFetchPart } from "../../host/service/token-fetch-part";
import { tokenPart } from "../../host/service/token-part";
import { updaterPart } from "../../host/service/updater-part";
import { hostScript } from "../../host/shell";
import { firstBoot, type BootStep } from "../../host/user-data/first-boot";
import { tokenFingerprint } from "../../updater/sources/token";
import {
  forwardSettings,
  haproxySettings,
  TOKEN,
  tokenSettings,
  updaterSettings,
} from "../unit/host/example-parts";
import { BootRoot } from "./support/boot-root";
import { HOLDER } from "./support/machine-root";
import { standInUpdater } from "./support/stand-in-updater";

const FOLDER = "var/lib/control-plane-lb/first-boot";
const ownAddress = { from: "subnet", subnet: "10.99.0.0/24" } as const;
const [stack, node] = HOLDER;

const updater = updaterPart(updaterSettings({ ownAddress, script: standInUpdater() }));
const haproxy = haproxyPart(haproxySettings({ takeOver: true }));
const forward = (kind: "nftables" | "socat") => forwardPart(forwardSettings({ ownAddress, kind }));
const fetch = tokenFetchPart({ ports: { lb: 6444, health: 6445, api: 6443 } });
const example: HostPart = {
  owner: "example",
  packages: [{ gives: "kubeadm" }],
  users: [{ name: "cplb-example", comment: "an example" }],
  folders: [{ path: "/run/example", mode: "0750", user: "root", group: "cplb-example" }],
  files: [
    { path: "/etc/example/empty", mode: "0640", group: "cplb-example", content: "" },
    {
      path: "/etc/example/text",
      mode: "0644",
      content: "{{ a }} ${#b[@]}\r\nEND_OF_FILE\n'\"`$(c)",
    },
  ],
  sysctls: { "net.ipv4.ip_nonlocal_bind": "1" },
  summary: "an example",
};

/** Steps before and after kubeadm, by what they make of a machine. */
const HOSTS: Readonly<Record<string, readonly [before: HostPart[], after: HostPart[]]>> = {
  "a control-plane node with a forward": [[forward("nftables"), example], []],
  "a control-plane node with HAProxy": [[updater, haproxy], [fetch]],
  "a load-balancer host": [[updater, haproxy, tokenPart(tokenSettings())], []],
};

const steps = (parts: readonly HostPart[]): BootStep[] =>
  parts.map((part) => ({ name: part.owner, part }));
const bootOf = (before: readonly HostPart[], after: readonly HostPart[] = []) =>
  firstBoot({ stack, node, beforeKubeadm: steps(before), afterKubeadm: steps(after) });

describe("a first boot, in a root of its own", function () {
  this.timeout(300_000);
  const machines: BootRoot[] = [];
  let machine: BootRoot;
  const create = async () => {
    const created = await BootRoot.create();
    machines.push(created);
    created.write("serves", "");
    created.write("secrets", `control-plane-lb-token-1 ${btoa(TOKEN)}\n`);
    created.write("status", `{"token":"${tokenFingerprint(TOKEN)}"}`);
    return created;
  };
  beforeEach(async () => (machine = await create()));
  afterEach(() => {
    for (const each of machines.splice(0)) each.dispose();
  });

  /** What is on the machine beside cloud-init's own files and the log. */
  const state = async (of: BootRoot) =>
    (await of.snapshot()).filter((line) => !/ (var|run)\/(lib\/cloud|cloud-init|log)/.test(line));

  for (const [what, [before, after]] of Object.entries(HOSTS)) {
    it(`makes ${what} as the scripts of SSH do, byte by byte`, async () => {
      const other = await create();
      for (const part of [...before, ...after]) {
        const { code, stderr } = await other.run(partScript(part, { generation: 3 }), "apply");
        assert.equal(code, 0, stderr);
      }
      const bare = await state(machine);
      machine.receive(bootOf(before, after));
      const { code, stdout, stderr } = await machine.boots();
      assert.equal(code, 0, `${stdout}${stderr}`);
      assert.deepEqual(await state(machine), await state(other));
      assert.match(machine.read("calls"), /^kubeadm$/m);
      await machine.takeAway(...before, ...after);
      assert.deepEqual(await state(machine), bare);
    });
  }

  it("is complete when it goes on after an interruption at any step", async function () {
    this.timeout(600_000);
    const boot = bootOf([example]);
    const run = async (step: number) => {
      machine.receive(boot);
      machine.write("steps", "0");
      machine.write("kill-at", String(step));
      const { code } = await machine.boots();
      machine.remove("kill-at");
      return code;
    };
    const bare = await state(machine);
    machine.receive(boot);
    assert.equal((await machine.boots()).code, 0);
    const complete = await state(machine);
    await machine.takeAway(example);
    let step = 1;
    while ((await run(step)) !== 0) {
      const { code, stdout, stderr } = await machine.again();
      assert.equal(code, 0, `step ${step}: ${stdout}${stderr}`);
      assert.deepEqual(await state(machine), complete, `step ${step}`);
      await machine.takeAway(example);
      assert.deepEqual(await state(machine), bare, `step ${step}, removed`);
      step += 1;
    }
    assert.ok(step > 20, `it has ${step} steps`);
  });

  describe("with a step that fails", () => {
    const broken: BootStep = {
      name: "check",
      script: hostScript("check", {
        apply: `echo "token abcdef.0123456789abcdef"
[ -e /fake/repaired ] || fail "port 6444 is taken by nginx"`,
      }),
    };
    const boot = firstBoot({
      stack,
      node,
      beforeKubeadm: [...steps([example]), broken, ...steps([forward("socat")])],
      afterKubeadm: [],
    });
    beforeEach(() => machine.receive(boot));

    it("makes no further step, nor runs kubeadm", async () => {
      assert.equal((await machine.boots()).code, 1);
      assert.ok(machine.has("etc/example/text"));
      assert.ok(!machine.has("opt/control-plane-lb/forward-listener"));
      assert.doesNotMatch(machine.read("calls"), /^kubeadm$/m);
    });

    it("says why in one file, on the console and in the journal, without credentials", async () => {
      const { stdout } = await machine.boots();
      const reason = machine.file(`${FOLDER}/failed`);
      assert.match(
        reason,
        /^control-plane-lb: the first boot of m1 failed: check \(before kubeadm, step 2 of 3\) ended with exit code 1 at \d{4}-.*\n {2}token <token>\n {2}check: port 6444 is taken by nginx\nNothing after it has run\. Log: \/var\/log\/control-plane-lb-first-boot\.log\. After a repair: sh \/var\/lib\/control-plane-lb\/first-boot\/run again\n$/,
      );
      assert.equal(machine.read("console"), reason);
      assert.equal(machine.read("journal"), reason);
      assert.match(stdout, /check .* ended with exit code 1: see \/var\/lib\/.*\/failed/);
      const log = await machine.must("stat -c %a /var/log/control-plane-lb-first-boot.log");
      assert.equal(log, "600\n");
    });

    it("says why in cloud-init's status once its last stage has ended, and leaves its record", async () => {
      await machine.boots();
      const { shown, own } = machine.errors();
      assert.deepEqual(own, ["its own"]);
      assert.deepEqual(shown, ["its own", machine.file(`${FOLDER}/failed`).trim()]);
      assert.match(machine.read("calls"), /systemd-run .*--property=After=cloud-final\.service/);
    });

    it("goes on after the repair, and forgets the failure", async () => {
      await machine.boots();
      machine.write("repaired", "");
      const { code, stdout, stderr } = await machine.again();
      assert.equal(code, 0, `${stdout}${stderr}`);
      assert.match(machine.read("calls"), /^kubeadm$/m);
      assert.ok(machine.has("opt/control-plane-lb/forward-listener"));
      assert.ok(!machine.has(FOLDER));
      assert.deepEqual(machine.errors().shown, ["its own"]);
    });

    it("keeps the reason in memory when the disk takes nothing", async () => {
      await machine.must(`mount --bind /${FOLDER} /${FOLDER}
mount -o remount,ro,bind /${FOLDER}`);
      const { stdout } = await machine.boots();
      assert.match(
        stdout,
        /ended with exit code 1: see \/run\/control-plane-lb-first-boot\/reason/,
      );
      assert.match(machine.file("run/control-plane-lb-first-boot/reason"), /is taken by nginx/);
      assert.equal(machine.errors().shown.length, 2);
    });
  });

  it("stops a step at its deadline, with all that it has started", async () => {
    const script = hostScript("hang", { apply: "sleep 1000 & echo $! >/fake/child; wait" });
    const hang = { name: "hang", script, deadlineSeconds: 1 };
    machine.receive(firstBoot({ stack, node, beforeKubeadm: [hang], afterKubeadm: [] }));
    assert.equal((await machine.boots()).code, 1);
    assert.match(machine.file(`${FOLDER}/failed`), /step 1 of 1\) was stopped after 1 s/);
    // a zombie has ended
    await machine.must(`! grep -q '^State:.[^ZX]' "/proc/$(cat /fake/child)/status" 2>/dev/null`);
  });

  it("does not wait for a process that a step leaves behind", async () => {
    const script = hostScript("leave", { apply: "setsid sleep 1000 & echo $! >/fake/units/left" });
    const leave = { name: "leave", script, deadlineSeconds: 60 };
    machine.receive(firstBoot({ stack, node, beforeKubeadm: [leave], afterKubeadm: [] }));
    assert.equal((await machine.boots()).code, 0);
  });

  it("makes no step after kubeadm when Cluster API's kubeadm has failed", async () => {
    machine.receive(bootOf([], [example]));
    machine.put("run/cluster-api/placeholder", "");
    machine.put("var/log/cloud-init-output.log", "error: preflight checks failed\n");
    assert.equal((await machine.boots()).code, 1);
    const reason = machine.file(`${FOLDER}/failed`);
    assert.match(reason, /failed: kubeadm \(after kubeadm, .*\) has not succeeded/);
    assert.match(reason, /preflight checks failed/);
    assert.ok(!machine.has("etc/example"));
    machine.put("run/cluster-api/bootstrap-success.complete", "success\n");
    assert.equal((await machine.again()).code, 0);
    assert.ok(machine.has("etc/example/text"));
  });

  it("records the machine's hostname when its name is not known", async () => {
    machine.receive(firstBoot({ stack, beforeKubeadm: steps([example]), afterKubeadm: [] }));
    assert.equal((await machine.boots()).code, 0);
    const hostname = (await machine.must("uname -n")).trim().toLowerCase();
    const holders = machine.file("var/lib/control-plane-lb/parts/example/holders");
    assert.equal(holders, `${stack} ${hostname}\n`);
  });

  it("refuses a second run while one goes on", async () => {
    machine.receive(bootOf([example]));
    // it exists before the first run is held, which then holds the lock
    await machine.must("mkdir /run/control-plane-lb-first-boot");
    const release = await machine.hold();
    const first = machine.boots();
    await machine.held();
    const { code, stdout } = await machine.again();
    assert.equal(code, 1);
    assert.match(stdout, /another run goes on/);
    release();
    assert.equal((await first).code, 0);
  });

  it("fetches the newest token, and the rotated one when the unit starts again", async () => {
    machine.receive(bootOf([updater, haproxy], [fetch]));
    assert.equal((await machine.boots()).code, 0);
    const token = () => machine.file("etc/control-plane-lb/6444/token.env");
    assert.equal(token(), `CONTROL_PLANE_LB_TOKEN=${TOKEN}\n`);
    const secrets = [
      ...["9", "10"].map((each) => `control-plane-lb-token-${each} ${btoa(`new-${each}`)}`),
      // made, but not filled in yet
      "control-plane-lb-token-11 ",
      `other-token-99 ${btoa("foreign")}`,
    ];
    machine.write("secrets", `${secrets.join("\n")}\n`);
    machine.write("calls", "");
    await machine.must("/opt/control-plane-lb/6444/fetch-token");
    assert.equal(token(), "CONTROL_PLANE_LB_TOKEN=new-10\n");
    assert.match(machine.read("calls"), /^restart control-plane-lb-updater-6444\.service$/m);
    machine.write("calls", "");
    await machine.must("/opt/control-plane-lb/6444/fetch-token");
    assert.doesNotMatch(machine.read("calls"), /restart/);
  });
});
