import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { imageConfigs, IMAGES, KUBERNETES_VERSION, Lab, makeParts } from "../../lab/src/index";
import { run, waitUntil, type Finished } from "../../tools/src/index";

const ROOT = join(__dirname, "../..");

/** Labs of this file only, beside others on this computer. */
const FIRST = "spec-machines";
const SECOND = "spec-other";

/** No progress: mocha's report stays readable. */
const quiet = () => undefined;

/** With an empty cache, the builds take some 15 minutes on 2 cores. */
const COLD_MS = 45 * 60_000;

describe("lab: the machines", function () {
  this.timeout(300_000);
  let lab: Lab;

  before(async function () {
    this.timeout(COLD_MS);
    await Lab.remove(FIRST, quiet);
    await Lab.remove(SECOND, quiet);
    await makeParts((line) => process.stderr.write(`${line}\n`));
    lab = await Lab.up({ name: FIRST, machines: 2, workers: 1, log: quiet });
  });

  after(async () => {
    await Lab.remove(FIRST, quiet);
    await Lab.remove(SECOND, quiet);
  });

  it("are bare: they run systemd, containerd and kubelet, but no cluster", async () => {
    assert.deepEqual(
      lab.machines.map(({ name, role, running }) => [name, role, running]),
      [
        ["m1", "controlPlane", true],
        ["m2", "controlPlane", true],
        ["w1", "worker", true],
      ],
    );
    for (const { name } of lab.machines) {
      assert.equal(await output(lab, name, "hostname"), name);
      assert.equal(await output(lab, name, "systemctl is-system-running"), "running");
      const images = await output(lab, name, "ctr -n k8s.io images ls -q");
      for (const image of Object.values(IMAGES)) assert.ok(images.split("\n").includes(image));
      assert.equal(await output(lab, name, "kubeadm version -o short"), `v${KUBERNETES_VERSION}`);
      assert.equal(
        await output(lab, name, "systemctl is-enabled kubelet containerd ssh"),
        "enabled\nenabled\nenabled",
      );
      assert.equal(
        await output(lab, name, "ls -A /etc/kubernetes /var/lib/etcd 2>/dev/null"),
        "/var/lib/etcd:",
      );
      const services = await output(
        lab,
        name,
        "systemctl is-enabled haproxy keepalived nftables || true",
      );
      assert.equal(services, "disabled\ndisabled\ndisabled");
    }
  });

  it("let an unprivileged user log in by SSH and use sudo", async () => {
    const answer = await cli("--name", FIRST, "ssh", "m1", "id -un; sudo -n id -un");
    assert.equal(answer.stdout, "ops\nroot\n");
    const keys = await Promise.all(
      lab.machines.map(({ address }) => run(["ssh-keyscan", "-T", "60", "-t", "ed25519", address])),
    );
    for (const { stdout } of keys) assert.ok(stdout.includes(lab.ssh.hostKey));
  });

  it("reach each other and the host by their only network device", async () => {
    const [m1, m2] = lab.machines;
    assert.ok(m1 !== undefined && m2 !== undefined);
    for (const address of [m2.address, lab.gateway]) {
      await lab.exec("m1", `ping -c 1 -W 10 ${address}`);
    }
    assert.match(
      await output(lab, "m1", "ip route show default"),
      new RegExp(`^default via ${lab.gateway} dev eth0`),
    );
    assert.equal(await output(lab, "m1", "ls /sys/class/net"), "eth0\nlo");
  });

  it("run commands as root with input and exit code, and refuse unknown names", async () => {
    const { code, stdout } = await lab.exec("m1", "cat; exit 3", { input: "text", check: false });
    assert.deepEqual([code, stdout], [3, "text"]);
    await assert.rejects(lab.exec("m1", "echo why >&2; false"), /m1: echo why.*exit code 1\nwhy/s);
    await assert.rejects(lab.exec("m1", "sleep 600", { timeoutMs: 500 }), /killed/);
    await assert.rejects(lab.exec("m9", "true"), /no machine "m9".*m1, m2, w1/);
    await assert.rejects(Lab.open("spec-nothing"), /npm run lab -- up --name spec-nothing/);
    await assert.rejects(Lab.up({ name: "../x" }), /lab name/);
    await assert.rejects(Lab.up({ name: FIRST, machines: 99 }), /0 to 10/);
  });

  it("keep running during a second up, which adds missing ones", async () => {
    const before = await bootId(lab, "m1");
    const again = await Lab.up({ name: FIRST, machines: 1, workers: 2, log: quiet });
    assert.deepEqual(
      again.machines.map(({ name }) => name),
      ["m1", "m2", "w1", "w2"],
    );
    assert.equal(await bootId(again, "m1"), before);
    assert.ok(again.machines.every(({ running }) => running));
    lab = again;
  });

  it("keep their disk over a shutdown, which stops services, and over a power cut, which does not", async () => {
    const unit = ["[Service]", "Type=oneshot", "RemainAfterExit=yes", "ExecStart=/bin/true"];
    const stop = "ExecStop=/bin/sh -c 'date > /root/stopped'";
    await lab.exec("m2", "cat > /etc/systemd/system/witness.service", {
      input: [...unit, stop, "[Install]", "WantedBy=multi-user.target", ""].join("\n"),
    });
    await lab.exec(
      "m2",
      "systemctl enable --now witness; echo kept | tee /root/kept > /var/lib/etcd/kept; sync",
    );
    const address = lab.machines.find(({ name }) => name === "m2")?.address;

    await lab.powerOff("m2");
    assert.equal(lab.machines.find(({ name }) => name === "m2")?.running, false);
    await assert.rejects(lab.exec("m2", "true"), /m2 is off/);
    await lab.powerOn("m2");
    assert.equal(await output(lab, "m2", "cat /root/kept /var/lib/etcd/kept"), "kept\nkept");
    await lab.exec("m2", "rm /root/stopped");

    await cli("power-off", "m2", "--hard", "--name", FIRST);
    await cli("power-on", "m2", "--name", FIRST);
    assert.equal(await output(lab, "m2", "cat /root/kept /var/lib/etcd/kept"), "kept\nkept");
    assert.equal((await lab.exec("m2", "cat /root/stopped", { check: false })).code, 1);
    assert.equal(lab.machines.find(({ name }) => name === "m2")?.address, address);
  });

  it("boot again after a reboot", async () => {
    const before = await bootId(lab, "w1");
    await lab.exec("w1", "systemctl reboot", { check: false });
    const rebooted = async () => {
      const now = await bootId(lab, "w1");
      return now !== before && now !== "";
    };
    await waitUntil("rebooting w1", { seconds: 120, everyMs: 200 }, rebooted);
  });

  it("are unreachable only while their cable is unplugged", async () => {
    const address = lab.machines.find(({ name }) => name === "m2")?.address ?? "";
    const reachable = async () =>
      (await lab.exec("m1", `ping -c 1 -W 2 ${address}`, { check: false })).code === 0;
    await cli("cut", "m2", "--name", FIRST);
    assert.equal(await reachable(), false);
    assert.equal(await output(lab, "m2", "hostname"), "m2");
    assert.match((await cli("status", "--name", FIRST)).stdout, /^m2 .* cut$/m);
    await cli("mend", "m2", "--name", FIRST);
    await waitUntil("reaching m2", { seconds: 60, everyMs: 200 }, reachable);
  });

  it("are as new after a wipe, with the same address and host key", async () => {
    await lab.exec(
      "w2",
      "echo old > /root/old; echo old > /var/lib/kubelet/old; ctr -n k8s.io images rm $(ctr -n k8s.io images ls -q)",
    );
    await lab.wipe("w2");
    assert.equal(
      await output(lab, "w2", "ls /root /var/lib/kubelet"),
      "/root:\n\n/var/lib/kubelet:",
    );
    const images = await output(lab, "w2", "ctr -n k8s.io images ls -q");
    assert.ok(images.includes(IMAGES.haproxy));
    const address = lab.machines.find(({ name }) => name === "w2")?.address ?? "";
    const scan = await run(["ssh-keyscan", "-T", "60", "-t", "ed25519", address]);
    assert.ok(scan.stdout.includes(lab.ssh.hostKey));
  });

  it("boot from user data alone, while nobody can log in", async () => {
    const content = "text with 'quotes', {{ marks }} and\r\n";
    const added = await lab.add({
      name: "from-data",
      userData: `## template: jinja
#cloud-config
write_files:
  - path: /root/data
    permissions: "0640"
    encoding: gzip+base64
    content: ${gzipSync(content).toString("base64")}
runcmd:
  - echo {{ ds.meta_data.place }} > /root/place
`,
      metaData: { "instance-id": "from-data", "local-hostname": "from-data", place: "rack-7" },
    });
    assert.equal(added.address, lab.pool.first);
    const { ok, status } = await lab.waitForCloudInit("from-data", { seconds: 120 });
    assert.ok(ok, `${status}\n${lab.console("from-data")}`);
    assert.match(status, /DataSourceNoCloud \[seed=\/var\/lib\/cloud\/seed\/nocloud\]/);
    const { stdout } = await lab.exec("from-data", "cat /root/data; stat -c %a /root/data");
    assert.equal(stdout, `${content}640\n`);
    assert.equal(await output(lab, "from-data", "cat /root/place; hostname"), "rack-7\nfrom-data");
    await lab.exec("m1", `ping -c 1 -W 10 ${added.address}`);
    assert.equal(await output(lab, "from-data", "ss -Hltn 'sport = :22'"), "");

    await lab.allowSsh("from-data");
    const answer = await cli("--name", FIRST, "ssh", "from-data", "sudo -n id -un");
    assert.equal(answer.stdout, "root\n");
  });

  it("show a first boot that failed by cloud-init's status and on the console", async () => {
    await lab.add({
      name: "broken",
      userData: `#cloud-config
runcmd:
  - echo the disk is full > /dev/console
  - exit 3
  - touch /root/went-on
`,
    });
    const { ok, status } = await lab.waitForCloudInit("broken", { seconds: 120 });
    assert.equal(ok, false);
    assert.match(status, /^status: error$/m);
    assert.equal((await lab.exec("broken", "ls /root/went-on", { check: false })).code, 2);
    const { stdout } = await cli("--name", FIRST, "console", "broken");
    assert.match(stdout, /^the disk is full$/m);
  });

  it("boot from the same user data after a wipe", async () => {
    await lab.exec("from-data", "echo old > /root/old");
    await lab.wipe("from-data");
    const { ok, status } = await lab.waitForCloudInit("from-data", { seconds: 120 });
    assert.ok(ok, status);
    assert.equal(await output(lab, "from-data", "ls /root"), "data\nplace");
    assert.equal(await output(lab, "from-data", "ss -Hltn 'sport = :22'"), "");
  });

  it("leave nothing behind when they are discarded", async () => {
    const address = lab.machines.find(({ name }) => name === "broken")?.address ?? "";
    await lab.discard("broken");
    await lab.discard("broken");
    assert.ok(!lab.machines.some(({ name }) => name === "broken"));
    assert.deepEqual(processes(`/control-plane-lab/${FIRST}/broken`), []);
    const ports = readdirSync("/run/netns").filter((port) => port.endsWith("-m42"));
    assert.deepEqual(ports, []);
    assert.ok(!existsSync(join(lab.folder, "machines/broken")));
    assert.equal((await lab.exec("m1", `ping -c 1 -W 1 ${address}`, { check: false })).code, 1);
    await lab.discard("from-data");
  });

  it("are started by up after their launcher was killed", async () => {
    await lab.exec("m1", "echo kept > /root/survivor; sync");
    const launchers = processes("/control-plane-lab/spec-machines/m1");
    assert.notEqual(launchers.length, 0);
    // The launcher only: init and its children stay, as after a crash of the lab.
    const first = Math.min(...launchers);
    process.kill(first, "SIGKILL");
    lab = await Lab.up({ name: FIRST, machines: 2, log: quiet });
    assert.equal(
      await output(lab, "m1", "cat /root/survivor; systemctl is-system-running"),
      "kept\nrunning",
    );
    assert.equal(
      processes("/control-plane-lab/spec-machines/m1").filter((p) => p === first).length,
      0,
    );
  });

  it("of two labs do not affect each other, even if one up was killed half-way", async () => {
    const before = await bootId(lab, "m1");
    // Killed as soon as something of its first machine runs.
    const half = spawn(
      "node",
      ["--import", "tsx", "lab/src/main.ts", "up", "--name", SECOND, "--machines", "2"],
      {
        cwd: ROOT,
        stdio: "ignore",
      },
    );
    await waitUntil(
      "starting the second lab",
      { seconds: 120, everyMs: 20 },
      () => processes(`/control-plane-lab/${SECOND}/`).length > 0,
    );
    half.kill("SIGKILL");
    const second = await Lab.up({ name: SECOND, machines: 2, log: quiet });
    assert.notEqual(second.gateway, lab.gateway);
    assert.equal(await output(second, "m2", "systemctl is-system-running"), "running");
    await second.exec("m1", `ping -c 1 -W 10 ${second.machines[1]?.address}`);
    await second.down();
    assert.deepEqual(remains(SECOND, second.gateway), []);
    assert.equal(await bootId(lab, "m1"), before);
    await lab.exec("m1", `ping -c 1 -W 10 ${lab.machines[1]?.address}`);
  });

  it("have images with the paths, entrypoint, user and stop signal of the upstream ones", async () => {
    const configs = imageConfigs((await makeParts(quiet)).imageLayout);
    const haproxy = configs[IMAGES.haproxy];
    assert.equal(haproxy?.User, "haproxy");
    assert.equal(haproxy?.StopSignal, "SIGUSR1");
    assert.deepEqual(haproxy?.Entrypoint, ["docker-entrypoint.sh"]);
    assert.deepEqual(haproxy?.Cmd, ["haproxy", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]);
    const node = configs[IMAGES.node];
    assert.deepEqual(node?.Entrypoint, ["docker-entrypoint.sh"]);
    assert.deepEqual([node?.User, node?.StopSignal, node?.Cmd], [undefined, undefined, ["node"]]);

    const inImage = async (image: string, ...command: string[]) =>
      await lab.exec(
        "m1",
        `ctr -n k8s.io run --rm ${image} spec-${Date.now()} ${command.join(" ")}`,
        { check: false },
      );
    const which = "sh -c 'id -u; command -v haproxy; command -v docker-entrypoint.sh; pwd'";
    assert.equal(
      (await inImage(IMAGES.haproxy, which)).stdout,
      "99\n/usr/local/sbin/haproxy\n/usr/local/bin/docker-entrypoint.sh\n/var/lib/haproxy\n",
    );
    // Through the entrypoint, which adds -W -db.
    const version = await inImage(IMAGES.haproxy, "docker-entrypoint.sh -vv");
    assert.match(version.stdout, /^HAProxy version 3\.0\.[^]*prometheus-exporter/i);
    const nodeWhich = "sh -c 'id -u; command -v node; command -v docker-entrypoint.sh'";
    assert.equal(
      (await inImage(IMAGES.node, nodeWhich)).stdout,
      "0\n/usr/local/bin/node\n/usr/local/bin/docker-entrypoint.sh\n",
    );
    assert.match((await inImage(IMAGES.node, "docker-entrypoint.sh --version")).stdout, /^v24\./);
    for (const tool of ["iptables", "iptables-save", "ip6tables-restore", "nft", "conntrack"]) {
      const { code } = await inImage(IMAGES.proxy, tool, "--version");
      assert.equal(code, 0, `${tool} in the image of kube-proxy`);
    }
  });

  it("leave neither remains nor changed kernel settings when the lab goes down", async () => {
    const saved = "/var/lib/control-plane-lab/.host-settings.json";
    const settings = JSON.parse(readFileSync(saved, "utf8")) as Record<string, string>;
    // As a kubelet does.
    await lab.exec("m1", "echo 11 > /proc/sys/kernel/panic");
    const rules = (await run(["nft", "list", "ruleset"])).stdout;
    await cli("down", "--name", FIRST);
    assert.deepEqual(remains(FIRST, lab.gateway), []);
    assert.equal((await run(["nft", "list", "ruleset"])).stdout, rules);
    await assert.rejects(Lab.open(FIRST), /there is no lab/);
    await cli("down", "--name", FIRST);
    // Another lab on this computer still needs the settings.
    const others = readdirSync("/var/lib/control-plane-lab").filter(
      (name) => !name.startsWith("."),
    );
    if (others.length > 0) return;
    assert.equal(existsSync(saved), false);
    for (const [name, value] of Object.entries(settings)) {
      assert.equal(readFileSync(`/proc/sys/${name}`, "utf8").trim(), value, name);
    }
  });
});

async function output(lab: Lab, machine: string, command: string): Promise<string> {
  return (await lab.exec(machine, command, { check: false })).stdout.trim();
}

function bootId(lab: Lab, machine: string): Promise<string> {
  return output(lab, machine, "cat /proc/sys/kernel/random/boot_id");
}

function cli(...words: string[]): Promise<Finished> {
  return run(["node", "--import", "tsx", "lab/src/main.ts", ...words], { cwd: ROOT });
}

/** Processes of this computer in control groups whose path starts so (cgroup v1: "systemd"). */
function processes(group: string): number[] {
  const lines = [`name=systemd:${group}`, `0::${group}`];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => lines.some((line) => readOrEmpty(`/proc/${pid}/cgroup`).includes(line)))
    .map(Number);
}

/** All remains of a lab on this computer. */
function remains(name: string, gateway: string): string[] {
  const bridge = `lab${gateway.split(".")[2]}`;
  const names = (folder: string) => (existsSync(folder) ? readdirSync(folder) : []);
  // "" is cgroup v2 alone
  const hierarchies = ["", ...names("/sys/fs/cgroup")].map((hierarchy) =>
    join("/sys/fs/cgroup", hierarchy, "control-plane-lab", name),
  );
  return [
    ...processes(`/control-plane-lab/${name}`).map((pid) => `process ${pid}`),
    ...readOrEmpty("/proc/self/mountinfo")
      .split("\n")
      .filter((line) => line.includes(`control-plane-lab/${name}/`)),
    ...[...names("/run/netns"), ...names("/sys/class/net")].filter(
      (n) => n === bridge || n.startsWith(`${bridge}-`),
    ),
    ...hierarchies.filter(existsSync),
    ...[`/var/lib/control-plane-lab/${name}`].filter(existsSync),
  ];
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
