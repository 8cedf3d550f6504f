import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { openFiles } from "../../haproxy/spec";
import { forwardPart } from "../../host/forward/forward-part";
import { filesOf, type HostPart, type HostUnit } from "../../host/part";
import { partScript } from "../../host/part-script";
import { haproxyPart } from "../../host/service/haproxy-part";
import { tokenPart } from "../../host/service/token-part";
import { virtualIpPart } from "../../host/virtual-ip/virtual-ip-part";
import { updaterPart } from "../../host/service/updater-part";
import { tokenFingerprint } from "../../updater/sources/token";
import {
  forwardSettings,
  haproxySettings,
  TOKEN,
  tokenSettings,
  updaterSettings,
  virtualIpSettings,
} from "../unit/host/example-parts";
import { HAPROXY_DEFAULTS } from "../support/haproxy-defaults";
import { HOLDER } from "./support/machine-root";
import { PartRoot } from "./support/part-root";
import { standInUpdater } from "./support/stand-in-updater";

const ownAddress = { from: "subnet", subnet: "10.99.0.0/24" } as const;

const VIRTUAL_IP = "10.99.0.100";

const UPDATER = standInUpdater();

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
  "the virtual IP": { part: virtualIpPart(virtualIpSettings({ ownAddress, address: VIRTUAL_IP })) },
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
            !/ var\/lib\/control-plane-lb(\/backup|\/folders|-updater\/6444\/haproxy\.cfg) /.test(
              line,
            ),
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

      it("is gone after an interrupted apply and a removal", async () => {
        const bare = await state();
        let step = 1;
        while (await machine.interrupt(part, "apply", step)) {
          await machine.takeAway(part);
          assert.deepEqual(await state(), bare, `apply, step ${step}, removed`);
          step += 1;
        }
        assert.ok(step > 3, "it has steps");
      });

      // other cases have the same steps
      if (/socat|token|virtual/.test(name)) return;

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

  it("stop such a unit after an interruption at any step", async () => {
    const [former, later] = (["nftables", "socat"] as const).map((kind) =>
      forwardPart(forwardSettings({ ownAddress, kind })),
    ) as [HostPart, HostPart];
    await machine.apply(former);
    for (let step = 1; await machine.interrupt(later, "apply", step); step += 1) {
      await machine.apply(later);
      assert.doesNotMatch(await machine.processes(), /forward-rules/, `step ${step}`);
      await machine.apply(former);
    }
  });

  it("refuse the router id and the address of another virtual IP on the host", async () => {
    const settings = virtualIpSettings({ ownAddress, address: VIRTUAL_IP });
    await machine.apply(virtualIpPart(settings));
    const before = await machine.snapshot();
    const other = { ...settings, ports: { lb: 7444, health: 7445 } };
    for (const [changes, message] of [
      [
        { address: "10.99.0.101" },
        /router id 51 is that of the virtual IP 10\.99\.0\.100 on this host/,
      ],
      [{ routerId: 52 }, /10\.99\.0\.100 is the virtual IP of another stack on this host/],
    ] as const) {
      const part = virtualIpPart({ ...other, ...changes });
      const { code, stderr } = await machine.run(partScript(part), "apply");
      assert.equal(code, 1);
      assert.match(stderr, message);
      assert.deepEqual(await machine.snapshot(), before);
    }
  });

  it("restart a unit without a digest when its text has changed", async () => {
    const part = (text: string): HostPart => ({
      owner: "example",
      units: [{ name: "example.path", text }],
      summary: "an example",
    });
    await machine.apply(part("[Path]\nPathExists=/\n"));
    machine.write("calls", "");
    await machine.apply(part("[Path]\nPathExists=/etc\n"));
    assert.equal(machine.read("calls"), "restart example.path\n");
  });

  it("wait for a unit without a digest, too", async () => {
    const units: HostUnit[] = [
      {
        name: "example.path",
        text: "[Path]\nPathExists=/\n",
        ready: ["test", "-e", "/etc/a file"],
        deadlineSeconds: 1,
      },
    ];
    const part: HostPart = { owner: "example", units, summary: "an example" };
    const { code, stderr } = await machine.run(partScript(part), "apply");
    assert.equal(code, 1);
    assert.match(stderr, /example\.path is not ready after 1 s/);
    await machine.must("touch '/etc/a file'");
    await machine.apply(part);
  });

  it("restore the value of a sysctl that a later version no longer sets", async () => {
    await machine.apply(example);
    assert.equal(await machine.must("cat /proc/sys/net/ipv4/ip_nonlocal_bind"), "1\n");
    await machine.apply({ ...example, sysctls: {} });
    assert.equal(await machine.must("cat /proc/sys/net/ipv4/ip_nonlocal_bind"), "0\n");
  });

  it("set a sysctl of several numbers and restore it", async () => {
    const value = async () =>
      (await machine.must("cat /proc/sys/net/ipv4/tcp_rmem")).trim().split("\t");
    const former = await value();
    const part: HostPart = {
      owner: "buffers",
      sysctls: { "net.ipv4.tcp_rmem": "4096 65536 1048576" },
      summary: "buffers",
    };
    await machine.apply(part);
    assert.deepEqual(await value(), ["4096", "65536", "1048576"]);
    await machine.takeAway(part);
    assert.deepEqual(await value(), former);
  });

  it("leave an account that was there before", async () => {
    await machine.must("useradd --system --user-group cplb-example");
    await machine.apply(example);
    await machine.takeAway(example);
    assert.match(await machine.must("id -un cplb-example"), /cplb-example/);
  });

  it("leave an account and a package that another part needs, until that goes", async () => {
    const { packages = [], users = [] } = example;
    const other: HostPart = { owner: "other", packages, users, summary: "another example" };
    const before = await machine.snapshot();
    for (const [first, last] of [
      [example, other],
      [other, example],
    ] as const) {
      await machine.apply(example, other);
      await machine.takeAway(first);
      await machine.must("id -u cplb-example && command -v kubeadm");
      await machine.takeAway(last);
      assert.deepEqual(await machine.snapshot(), before);
    }
  });

  it("set aside a foreign HAProxy and restore it on removal", async () => {
    await machine.must(`echo '# foreign' >/etc/haproxy/haproxy.cfg
systemctl enable --now haproxy.service`);
    const before = await machine.snapshot();
    await machine.apply(updater, haproxy);
    assert.equal(
      await machine.must("readlink /etc/haproxy/haproxy.cfg"),
      "/var/lib/control-plane-lb-updater/6444/haproxy.cfg\n",
    );
    assert.equal(
      (await machine.must("systemctl is-active haproxy.service || :")).trim(),
      "inactive",
    );
    await machine.takeAway(updater, haproxy);
    assert.deepEqual(await machine.snapshot(), before);
    assert.equal((await machine.must("systemctl is-active haproxy.service")).trim(), "active");
  });

  it("put a foreign haproxy.cfg back although their link is gone", async () => {
    await machine.must("echo 'somebody else' >/etc/haproxy/haproxy.cfg");
    await machine.apply(updater, haproxy);
    await machine.must("rm -r /etc/haproxy");
    await machine.takeAway(updater, haproxy);
    assert.equal(await machine.must("cat /etc/haproxy/haproxy.cfg"), "somebody else\n");
  });

  it("put a foreign file back although its folder is gone", async () => {
    await machine.must("mkdir /etc/example && echo foreign >/etc/example/settings");
    await machine.apply(example);
    await machine.must("rm -rf /etc/example");
    await machine.takeAway(example);
    assert.equal(await machine.must("cat /etc/example/settings"), "foreign\n");
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

  it("complete an HAProxy that dpkg has not configured", async () => {
    await machine.apply(updater);
    machine.write("dpkg-status", "iU ");
    await machine.must("userdel haproxy");
    await machine.apply(haproxy);
    assert.match(await machine.processes(), /control-plane-lb-haproxy-6444\.service/);
  });

  it("refuse a package that is too old before anything changes", async () => {
    machine.write("candidate", "1.29.9-1.1");
    const before = await machine.snapshot();
    const { code, stderr } = await machine.run(partScript(example), "apply");
    assert.equal(code, 1);
    assert.match(stderr, /package kubeadm is version 1\.29\.9, but 1\.30 or later is needed/);
    assert.deepEqual(await machine.snapshot(), before);
  });

  it("ask no other host while their own has no address", async () => {
    await machine.apply(updater);
    assert.doesNotMatch(machine.read("calls"), /curl/);
  });

  const others = haproxyPart(
    haproxySettings({ takeOver: true, ports: { lb: 6444, health: 6445 } }),
  );
  for (const [name, part, message] of [
    ["HAProxy's", others, /port 6444, which served before, has not served again/],
    ["the updater's", updater, /the endpoint, which served before, has not served again/],
  ] as const) {
    it(`fail when the endpoint served before and does not serve after ${name}`, async () => {
      await machine.apply(updater, haproxy);
      const script = partScript(part).replace(
        "wait_for 60 endpoint_serves",
        "wait_for 1 endpoint_serves",
      );
      const release = await machine.hold();
      const { done } = machine.begin(script, "apply", ...HOLDER);
      await machine.held();
      machine.remove("serves");
      release();
      const { code, stderr } = await done;
      assert.equal(code, 1);
      assert.match(stderr, message);
    });
  }

  it("fail when HAProxy does not run with the updater's settings, or its CA certificate", async () => {
    await machine.apply(updater, haproxy);
    const settings = updaterSettings({ ownAddress, script: UPDATER });
    for (const change of [
      { haproxy: { ...settings.haproxy, allow: ["::1/128"] } },
      { caCert: "another" },
    ]) {
      const script = partScript(updaterPart({ ...settings, ...change })).replace(
        "wait_for 60 runs_settings",
        "wait_for 1 runs_settings",
      );
      const { code, stderr } = await machine.run(script, "apply");
      assert.equal(code, 1);
      assert.match(stderr, /HAProxy does not run with the new settings/);
    }
  });

  for (const delivery of ["environment", "file"] as const) {
    it(`fail when the updater does not sync with its token in the ${delivery}`, async () => {
      await machine.apply(updater, haproxy);
      machine.write("status", '{"token":"another"}');
      machine.write("calls", "");
      const script = partScript(tokenPart(tokenSettings({ delivery }))).replace(
        "wait_for 120 token_used",
        "wait_for 1 token_used",
      );
      const { code, stderr } = await machine.run(script, "apply");
      assert.equal(code, 1);
      assert.match(stderr, /has not synced with its token .* status: \{"token":"another"\}/);
      assert.equal(
        machine.read("calls"),
        delivery === "file" ? "" : "restart control-plane-lb-updater-6444.service\n",
      );
    });
  }

  describe("for more connections than HAProxy was started for", () => {
    const files = openFiles(HAPROXY_DEFAULTS.maxConnections);
    beforeEach(async () => {
      await machine.apply(updater, haproxy);
      await machine.must(
        '/usr/bin/prlimit --pid "$(cat /fake/units/control-plane-lb-haproxy-6444.service)" --nofile=99:99',
      );
      machine.write("calls", "");
    });

    it("raise the limit of open files while HAProxy runs", async () => {
      await machine.apply(updater);
      assert.equal(machine.read("calls"), `prlimit --nofile=${files}:${files}\n`);
    });

    it("restart HAProxy where the host forbids that", async () => {
      machine.write("limits-fixed", "");
      await machine.apply(updater);
      assert.match(machine.read("calls"), /\nrestart control-plane-lb-haproxy-6444\.service\n$/);
    });

    it("leave HAProxy alone where systemd has no higher limit to give", async () => {
      machine.write("limits-fixed", "");
      await machine.must(`cat "/proc/$(cat /fake/units/control-plane-lb-haproxy-6444.service)/limits" >/fake/limits
mount --bind /fake/limits /proc/1/limits`);
      await machine.apply(updater);
      assert.doesNotMatch(machine.read("calls"), /restart control-plane-lb-haproxy/);
    });
  });

  it("make a second run on the host wait for the first, and name it", async () => {
    const release = await machine.hold();
    const part = forwardPart(forwardSettings({ ownAddress, kind: "socat" }));
    const first = machine.begin(partScript(part), "apply", ...HOLDER);
    await machine.held();
    const second = machine.begin(partScript(example), "apply", ...HOLDER);
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

  for (const [what, command] of Object.entries({
    "a link": "mkdir /tmp/other && ln -s /tmp/other",
    "a file": "touch",
    "another user's": "install -d -o haproxy",
  })) {
    it(`refuse a lock's folder that is ${what}`, async () => {
      await machine.must(`${command} /run/control-plane-lb-host`);
      const before = await machine.snapshot();
      const { code, stderr } = await machine.run(partScript(example), "apply");
      assert.equal(code, 1);
      assert.match(stderr, /^example: \/run\/control-plane-lb-host is not a folder of root: /);
      assert.deepEqual(await machine.snapshot(), before);
    });
  }

  it("close a folder of their lock that others could enter", async () => {
    await machine.must("mkdir -m 0755 /run/control-plane-lb-host");
    await machine.apply(example);
    assert.equal(await machine.must("stat -c '%a' /run/control-plane-lb-host"), "700\n");
  });
});
