import assert from "node:assert/strict";
import { createServer } from "node:net";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { preflightScript, type PreflightSettings } from "../../host/preflight/preflight-script";
import { MachineRoot } from "./support/machine-root";

const OWN = "10.99.0.1";
const VIRTUAL = "10.99.0.100";

class PreflightRoot extends MachineRoot {
  /** @param commands texts of stubs by name, in /usr/local/sbin */
  static async create(commands: Readonly<Record<string, string>> = {}): Promise<PreflightRoot> {
    const machine = new PreflightRoot();
    const stubs = mkdtempSync(path.join(tmpdir(), "control-plane-lb-stubs-"));
    try {
      for (const [name, text] of Object.entries(commands)) {
        writeFileSync(path.join(stubs, name), `#!/bin/sh\n${text}\n`);
        chmodSync(path.join(stubs, name), 0o755);
      }
      await machine.start({ addresses: [OWN], stubs: [stubs] });
      for (const folder of ["run/systemd/system", "etc/systemd/system", "opt"]) {
        mkdirSync(path.join(machine.root, folder), { recursive: true });
      }
      return machine;
    } catch (error) {
      machine.dispose();
      throw error;
    } finally {
      rmSync(stubs, { recursive: true, force: true });
    }
  }

  file(name: string, text: string, mode = 0o644): void {
    const file = path.join(this.root, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
    chmodSync(file, mode);
  }
}

describe("the preflight of a host", function () {
  this.timeout(120_000);
  let machine: PreflightRoot;
  afterEach(() => machine?.dispose());

  const ofAnyHost: PreflightSettings = {
    node: "m1",
    ports: { lb: 6444, api: 6443, health: 6445 },
    ownAddress: { from: "subnet", subnet: "10.99.0.0/24" },
    bootstrap: false,
    diskMiB: 1,
  };
  const settings = { ...ofAnyHost, address: OWN };
  /** Lines about the host's problems, without the name in front; none: it is ready. */
  const problems = async (changes: Partial<PreflightSettings> = {}): Promise<string[]> => {
    const { code, stdout, stderr } = await machine.run(
      preflightScript({ ...settings, ...changes }),
      "apply",
    );
    const lines = stderr.split("\n").filter((line) => line !== "" && !/; nothing was/.test(line));
    assert.equal(code, lines.length === 0 ? 0 : 1, stdout + stderr);
    return lines.map((line) => line.replace(/^m1: /, ""));
  };

  describe("looks at the endpoint's name, which", () => {
    const endpoint = { host: "lb.example", addresses: [OWN, "10.99.0.2", VIRTUAL, "fd99::100"] };
    const resolves = (lines: string) => machine.file("etc/hosts", lines);

    beforeEach(async () => {
      machine = await PreflightRoot.create();
      machine.file("etc/nsswitch.conf", "hosts: files\n");
      machine.file("etc/host.conf", "multi on\n");
    });

    it("may be any addresses on which HAProxy listens", async () => {
      resolves(`${OWN} lb.example\n10.99.0.2 lb.example\nfd99::100 lb.example\n`);
      assert.deepEqual(await problems({ endpoint }), []);
    });

    it("must not be the host's loopback address", async () => {
      resolves(`127.0.1.1 lb.example m1\n${OWN} m1\n`);
      assert.deepEqual(await problems({ endpoint }), [
        "the endpoint's name lb.example resolves to 127.0.1.1 on this host, which is the host itself and not HAProxy: remove the name from that line of /etc/hosts, and give the name the addresses of load-balancer hosts, in DNS or in /etc/hosts",
      ]);
    });

    it("must not be an address on which HAProxy does not listen", async () => {
      resolves(`${OWN} lb.example\n10.88.0.1 lb.example\n`);
      assert.deepEqual(await problems({ endpoint }), [
        `the endpoint's name lb.example resolves to 10.88.0.1 on this host, where HAProxy does not listen (it listens on ${OWN}, 10.99.0.2, ${VIRTUAL}, fd99::100): correct the name in DNS or /etc/hosts`,
      ]);
    });

    it("must be known", async () => {
      resolves("127.0.0.1 localhost\n");
      assert.deepEqual(await problems({ endpoint }), [
        "the endpoint's name lb.example cannot be resolved on this host: give the name the addresses of load-balancer hosts, in DNS or in /etc/hosts",
      ]);
    });

    it("need not resolve where it is an address", async () => {
      assert.deepEqual(await problems({ endpoint: { ...endpoint, host: VIRTUAL } }), []);
    });
  });

  describe("for any host", () => {
    const problemsOfAny = async (ownAddress: PreflightSettings["ownAddress"]) => {
      const script = preflightScript({ ...ofAnyHost, ownAddress, forward: "nftables" });
      const { stderr } = await machine.run(script, "apply");
      return stderr.split("\n").filter((line) => / does not have /.test(line));
    };

    beforeEach(async () => {
      machine = await PreflightRoot.create();
    });

    it("takes the address that the host finds", async () => {
      assert.deepEqual(await problemsOfAny(settings.ownAddress), []);
    });

    it("names an interface that is not there", async () => {
      assert.deepEqual(await problemsOfAny({ from: "interface", interface: "eth9" }), [
        "m1: this host does not have a global address of interface eth9: name the interface or the subnet of the node address",
      ]);
    });
  });

  describe("looks at versions:", () => {
    const service = { takeOver: false };
    const serviceHost = { service, controlPlaneNode: false };
    const useradd = { useradd: "", userdel: "", "systemd-tmpfiles": "" };

    it("HAProxy and Node.js that are installed", async () => {
      machine = await PreflightRoot.create({
        ...useradd,
        haproxy: "echo 'HAProxy version 2.4.22-f8e3218 2023/02/14'",
        node: "echo v12.22.9",
      });
      const lines = await problems(serviceHost);
      assert.equal(lines.length, 2, lines.join("\n"));
      assert.match(
        lines[0] ?? "",
        /^command haproxy is version 2\.4\.22, but 2\.6 or later is needed/,
      );
      assert.match(lines[1] ?? "", /^command node is version 12\.22\.9, but 18 or later is needed/);
    });

    it("kubeadm, and accepts one that reads v1beta4", async () => {
      const commands = { kubelet: "", kubectl: "", curl: "" };
      machine = await PreflightRoot.create({ ...commands, kubeadm: "cat /fake/version" });
      const runtime = createServer();
      const socket = path.join(machine.root, "run/containerd/containerd.sock");
      mkdirSync(path.dirname(socket));
      await new Promise<void>((resolve) => runtime.listen(socket, resolve));
      try {
        machine.write("version", "v1.30.14\n");
        assert.deepEqual(await problems({ bootstrap: true }), [
          "kubeadm is version 1.30.14, but 1.31 or later is needed: it reads kubeadm.k8s.io/v1beta4: install kubeadm, kubelet and kubectl 1.31 or later",
        ]);
        for (const version of ["v1.31.0", "v1.35.4"]) {
          machine.write("version", `${version}\n`);
          assert.deepEqual(await problems({ bootstrap: true }), []);
        }
      } finally {
        await new Promise((resolve) => runtime.close(resolve));
      }
    });
  });

  it("passes where /usr is read-only and commands are in /opt/bin", async () => {
    machine = await PreflightRoot.create();
    machine.file("opt/bin/useradd-of-opt", "#!/bin/sh\n", 0o755);
    const readOnly = "mount -o remount,bind,ro /usr && ! touch /usr/local/lib/x 2>/dev/null\n";
    const { code, stderr } = await machine.begin(readOnly).done;
    assert.equal(code, 0, stderr);
    assert.deepEqual(await problems(), []);
    const found = `${preflightScript(settings).split("umask")[0]}command -v useradd-of-opt`;
    assert.equal((await machine.begin(found).done).stdout, "/opt/bin/useradd-of-opt\n");
  });

  it("names an enforcing SELinux and the command that lets HAProxy serve", async () => {
    const commands = { haproxy: "echo HAProxy version 2.8.1", node: "echo v20.1.0" };
    machine = await PreflightRoot.create({
      ...{ ...commands, useradd: "", userdel: "", "systemd-tmpfiles": "" },
      semanage: "cat /fake/permissive",
    });
    machine.file("sys/fs/selinux/enforce", "1");
    machine.write("permissive", "Builtin Permissive Types\n");
    const serviceHost = { service: { takeOver: false }, controlPlaneNode: false };
    assert.match(
      (await problems(serviceHost)).join("\n"),
      /^SELinux is enforcing.*run semanage permissive --add haproxy_t [^\n]*$/,
    );
    machine.write("permissive", "Customized Permissive Types\n\nhaproxy_t\n");
    assert.deepEqual(await problems(serviceHost), []);
  });
});
