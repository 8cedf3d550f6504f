import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fingerprintSpec } from "../../haproxy/config";
import { forwardPart } from "../../host/forward/forward-part";
import { filesOf, type HostPart } from "../../host/part";
import { partScript } from "../../host/part-script";
import { haproxyPart } from "../../host/service/haproxy-part";
import { hostUpdaterSettings } from "../../host/service/host-updater-settings";
import { tokenPart } from "../../host/service/token-part";
import { updaterPart } from "../../host/service/updater-part";
import { tokenFingerprint } from "../../updater/sources/token";
import {
  forwardSettings,
  haproxySettings,
  TOKEN,
  tokenSettings,
  updaterSettings,
} from "../unit/host/example-parts";
import { PartRoot } from "./support/part-root";

const ownAddress = { from: "subnet", subnet: "10.99.0.0/24" } as const;

/** An updater that answers on both sockets and does nothing else. */
const UPDATER = `const { rmSync, writeFileSync } = require("node:fs");
if (process.argv.includes("prepare")) {
  writeFileSync("/var/lib/control-plane-lb-updater/haproxy.cfg", "# first\\n");
  process.exit();
}
const answers = {
  "updater.sock": '{"backends":[]}',
  "admin.sock": "Description: spec-${fingerprintSpec(hostUpdaterSettings(updaterSettings()).haproxy)}\\n",
};
for (const [name, text] of Object.entries(answers)) {
  const path = "/run/control-plane-lb/" + name;
  rmSync(path, { force: true });
  require("node:net").createServer((socket) => socket.end(text)).listen(path);
}
`;

const updater = updaterPart(updaterSettings({ ownAddress, script: UPDATER }));
const haproxy = haproxyPart(haproxySettings({ takeOver: true }));

/** A part with all that no real part uses yet. */
const example: HostPart = {
  owner: "example",
  packages: [{ gives: "kubeadm", atLeast: "1.30", because: "an example" }],
  users: [{ name: "cplb-example", comment: "an example" }],
  folders: [{ path: "/run/example", mode: "0750", user: "root", group: "cplb-example" }],
  files: [
    { path: "/etc/example/settings", mode: "0640", group: "cplb-example", content: "example\n" },
  ],
  sysctls: { "net.ipv4.ip_nonlocal_bind": "1" },
  summary: "an example",
};

interface Case {
  readonly part: HostPart;
  /** Parts that are applied first. */
  readonly after?: readonly HostPart[];
}

const CASES: Record<string, Case> = {
  "the forward by nftables": { part: forwardPart(forwardSettings({ ownAddress })) },
  "the forward by socat": { part: forwardPart(forwardSettings({ ownAddress, kind: "socat" })) },
  "the updater": { part: updater },
  HAProxy: { part: haproxy, after: [updater] },
  "the token in the environment": { part: tokenPart(tokenSettings()), after: [updater, haproxy] },
  "the token in a file": {
    part: tokenPart(tokenSettings({ delivery: "file" })),
    after: [updater, haproxy],
  },
  "a part with packages, an account, a folder and a sysctl": { part: example },
};

describe("parts of a host, in a root of their own", function () {
  this.timeout(300_000);
  let machine: PartRoot;
  beforeEach(async () => {
    machine = await PartRoot.create();
    machine.write("serves", "");
    machine.write("status", `{"token":"${tokenFingerprint(TOKEN)}"}`);
  });
  afterEach(() => machine.dispose());

  for (const [name, { part, after = [] }] of Object.entries(CASES)) {
    describe(name, () => {
      beforeEach(() => machine.apply(...after));

      /** The machine's state, without bookkeeping that stays until the last part is removed. */
      const state = async () =>
        (await machine.snapshot()).filter(
          (line) =>
            after.length === 0 ||
            !/ var\/lib\/control-plane-lb(\/backup|\/folders|-updater\/haproxy\.cfg) /.test(line),
        );

      it("changes and restarts nothing the second time", async () => {
        await machine.apply(part);
        const before = [await state(), await machine.processes()];
        machine.write("calls", "");
        const { stdout } = await machine.apply(part);
        assert.match(stdout, /changed: no\n$/);
        assert.deepEqual([await state(), await machine.processes()], before);
        assert.equal(machine.read("calls"), "");
      });

      it("leaves nothing when it is removed", async () => {
        const before = await state();
        await machine.apply(part);
        assert.notDeepEqual(await state(), before);
        await machine.takeAway(part);
        assert.deepEqual(await state(), before);
      });

      it("backs up foreign files at its paths and restores them", async () => {
        const own = filesOf(part).filter(({ path }) => !path.startsWith("/etc/systemd/"));
        for (const { path } of own) {
          await machine.must(`mkdir -p ${path.slice(0, path.lastIndexOf("/"))}
echo foreign >${path}
chmod 0604 ${path}`);
        }
        const before = await state();
        await machine.apply(part);
        await machine.apply(part);
        await machine.takeAway(part);
        assert.deepEqual(await state(), before);
      });

      it("lists its files with their checksums in a manifest", async () => {
        await machine.apply(part);
        const manifest = await machine.must(
          `cat /var/lib/control-plane-lb/manifests/${part.owner}`,
        );
        assert.deepEqual(
          manifest.trim().split("\n"),
          filesOf(part).map(
            ({ path, mode, content }) =>
              `${createHash("sha256").update(content).digest("hex")} ${mode} ${path}`,
          ),
        );
      });

      // other cases have the same steps
      if (/socat|token/.test(name)) return;

      it("is complete after a run that follows an interruption at any step", async () => {
        await machine.apply(part);
        const applied = await state();
        await machine.takeAway(part);
        const bare = await state();
        let step = 1;
        while (await machine.interrupt(part, "apply", step)) {
          await machine.apply(part);
          assert.deepEqual(await state(), applied, `apply, step ${step}`);
          await machine.takeAway(part);
          assert.deepEqual(await state(), bare, `apply, step ${step}, removed`);
          step += 1;
        }
        assert.ok(step > 3, "it has steps");
      });

      it("is gone after a removal that follows an interrupted one", async () => {
        const bare = await state();
        let step = 1;
        await machine.apply(part);
        while (await machine.interrupt(part, "remove", step)) {
          await machine.takeAway(part);
          assert.deepEqual(await state(), bare, `removal, step ${step}`);
          await machine.apply(part);
          step += 1;
        }
        assert.deepEqual(await state(), bare);
      });
    });
  }

  it("restart a unit whose program has changed, and no other", async () => {
    const [kept, changed] = [
      "control-plane-lb-forward.service",
      "control-plane-lb-forward-rules.service",
    ];
    await machine.apply(forwardPart(forwardSettings({ ownAddress })));
    machine.write("calls", "");
    await machine.apply(forwardPart(forwardSettings({ ownAddress, allow: ["10.0.0.0/8"] })));
    assert.equal(machine.read("calls"), `restart ${changed}\n`);
    assert.match(await machine.processes(), new RegExp(kept));
  });

  it("stop a unit that a later version no longer has, and remove its rules", async () => {
    await machine.apply(forwardPart(forwardSettings({ ownAddress })));
    await machine.apply(forwardPart(forwardSettings({ ownAddress, kind: "socat" })));
    assert.doesNotMatch(await machine.processes(), /forward-rules/);
    assert.equal(await machine.must("nft list ruleset"), "");
    assert.ok(!machine.has("etc/systemd/system/control-plane-lb-forward-rules.service"));
  });

  it("restore the value of a sysctl that a later version no longer sets", async () => {
    await machine.apply(example);
    assert.equal(await machine.must("cat /proc/sys/net/ipv4/ip_nonlocal_bind"), "1\n");
    await machine.apply({ ...example, sysctls: {} });
    assert.equal(await machine.must("cat /proc/sys/net/ipv4/ip_nonlocal_bind"), "0\n");
  });

  it("leave an account that was there before", async () => {
    await machine.must("useradd --system --user-group cplb-example");
    await machine.apply(example);
    await machine.takeAway(example);
    assert.match(await machine.must("id -un cplb-example"), /cplb-example/);
  });

  it("set aside a foreign HAProxy and restore it on removal", async () => {
    await machine.must(`echo '# foreign' >/etc/haproxy/haproxy.cfg
systemctl enable --now haproxy.service`);
    const before = await machine.snapshot();
    await machine.apply(updater, haproxy);
    assert.equal(
      await machine.must("readlink /etc/haproxy/haproxy.cfg"),
      "/var/lib/control-plane-lb-updater/haproxy.cfg\n",
    );
    assert.equal(
      (await machine.must("systemctl is-active haproxy.service || :")).trim(),
      "inactive",
    );
    await machine.takeAway(updater, haproxy);
    assert.deepEqual(await machine.snapshot(), before);
    assert.equal((await machine.must("systemctl is-active haproxy.service")).trim(), "active");
  });

  it("refuse a foreign haproxy.cfg before anything changes", async () => {
    await machine.apply(updater);
    await machine.must("echo '# foreign' >/etc/haproxy/haproxy.cfg");
    const before = await machine.snapshot();
    const { code, stderr } = await machine.run(partScript(haproxyPart(haproxySettings())), "apply");
    assert.equal(code, 1);
    assert.match(stderr, /haproxy\.cfg is not ours and differs from the package's: move it away/);
    assert.deepEqual(await machine.snapshot(), before);
  });

  it("refuse a HAProxy that is too old before anything changes", async () => {
    await machine.apply(updater);
    machine.write("haproxy-version", "2.4.24");
    const before = await machine.snapshot();
    const { code, stderr } = await machine.run(partScript(haproxy), "apply");
    assert.equal(code, 1);
    assert.match(stderr, /command haproxy is version 2\.4\.24, but 2\.6 or later is needed/);
    assert.deepEqual(await machine.snapshot(), before);
  });

  it("refuse a package that is too old before anything changes", async () => {
    machine.write("candidate", "1.29.9-1.1");
    const before = await machine.snapshot();
    const { code, stderr } = await machine.run(partScript(example), "apply");
    assert.equal(code, 1);
    assert.match(stderr, /package kubeadm is version 1\.29\.9, but 1\.30 or later is needed/);
    assert.deepEqual(await machine.snapshot(), before);
  });

  it("fail when the endpoint served before and does not serve again", async function () {
    await machine.apply(updater, haproxy);
    const other = haproxyPart(
      haproxySettings({ takeOver: true, ports: { lb: 6444, health: 6445 } }),
    );
    const script = partScript(other).replace(
      "wait_for 60 endpoint_serves",
      "wait_for 1 endpoint_serves",
    );
    const release = await machine.hold();
    const { done } = machine.begin(script, "apply");
    await machine.held();
    machine.remove("serves");
    release();
    const { code, stderr } = await done;
    assert.equal(code, 1);
    assert.match(stderr, /port 6444, which served before, has not served again/);
  });

  it("make a second run on the host wait for the first, and name it", async () => {
    const release = await machine.hold();
    const part = forwardPart(forwardSettings({ ownAddress, kind: "socat" }));
    const first = machine.begin(partScript(part), "apply");
    await machine.held();
    const second = machine.begin(partScript(example), "apply");
    const said = await new Promise<string>((resolve) => {
      second.child.stderr?.once("data", (chunk: Buffer) => resolve(chunk.toString()));
    });
    assert.match(said, /^example: waiting up to 600 s for forward apply \(pid \d+, since /);
    assert.ok(!machine.has("etc/example/settings"));
    release();
    assert.equal((await first.done).code, 0);
    assert.equal((await second.done).code, 0);
    assert.ok(machine.has("etc/example/settings"));
  });

  it("keep their lock in a folder that only root may enter", async () => {
    await machine.apply(example);
    assert.equal(await machine.must("stat -c '%a %U' /run/control-plane-lb-host"), "700 root\n");
  });
});
