import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** What a script run in the private root said. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const MOUNTS = `set -eu
ip link set lo up
for address in $ADDRESSES; do ip address add "$address/32" dev lo; done
mount --make-rprivate /
for folder in usr dev proc; do mount --rbind "/$folder" "$ROOT/$folder"; done
mount --bind "$ROOT/stubs" "$ROOT/usr/local/sbin"
echo mounted
exec sleep infinity
`;

/**
 * A machine for one test: a root directory with stub binaries, in mount and network namespaces of its own; its host is m1 at 10.99.0.1.
 * Nothing outside the temporary directory is written, and with its processes it is gone.
 */
export class PrivateRoot {
  readonly root = mkdtempSync(path.join(tmpdir(), "control-plane-lb-kubeadm-"));
  /** State of the world that stubs and fake servers share. */
  readonly fake = path.join(this.root, "fake");
  private readonly children: ChildProcess[] = [];
  private readonly groups: number[] = [];
  private holder: number | undefined;

  static async create(addresses: readonly string[]): Promise<PrivateRoot> {
    const machine = new PrivateRoot();
    try {
      await machine.start(addresses);
      return machine;
    } catch (error) {
      machine.dispose();
      throw error;
    }
  }

  private async start(addresses: readonly string[]): Promise<void> {
    for (const folder of [
      "usr dev proc etc run var/lib tmp root fake/up fake/listening fake/nodes fake/pki/etcd fake/script stubs",
    ].flatMap((list) => list.split(" "))) {
      mkdirSync(path.join(this.root, folder), { recursive: true });
    }
    for (const link of ["bin", "sbin", "lib", "lib64"]) {
      if (existsSync(`/${link}`)) {
        execFileSync("ln", ["-s", `usr/${link}`, path.join(this.root, link)]);
      }
    }
    for (const file of ["passwd", "group", "nsswitch.conf"]) {
      if (existsSync(`/etc/${file}`)) {
        cpSync(`/etc/${file}`, path.join(this.root, "etc", file));
      }
    }
    cpSync(path.join(__dirname, "stubs"), path.join(this.root, "stubs"), { recursive: true });
    makeCertificates(path.join(this.fake, "pki"), addresses);
    this.write("own", "OWN_NAME=m1\nOWN_ADDRESS=10.99.0.1\n");
    this.write("members.json", "[]");
    this.write("leader", "0");
    this.write("calls", "");
    const holder = spawn("unshare", ["--mount", "--net", "sh", "-c", MOUNTS], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ROOT: this.root, ADDRESSES: addresses.join(" ") },
    });
    this.children.push(holder);
    await lineOf(holder, "mounted");
    this.holder = holder.pid;
    const servers = spawn(
      "nsenter",
      [
        ...["-t", String(this.holder), "-n", process.execPath, "--import", "tsx"],
        path.join(__dirname, "../kubeadm/fake-servers.ts"),
        this.fake,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    this.children.push(servers);
    await lineOf(servers, "ready");
  }

  /** Starts a script in the machine; `done` resolves when it has ended. */
  begin(script: string, verb: "apply" | "remove"): { child: ChildProcess; done: Promise<Outcome> } {
    const child = spawn(
      "nsenter",
      ["-t", String(this.holder), "-m", "-n", "chroot", this.root, "/bin/sh", "-s", "--", verb],
      {
        stdio: ["pipe", "pipe", "pipe"],
        detached: true,
        env: { PATH: process.env["PATH"], HOME: "/root" },
      },
    );
    this.children.push(child);
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdin.end(script);
    if (child.pid !== undefined) {
      this.groups.push(child.pid);
    }
    const done = new Promise<Outcome>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, stdout, stderr }));
    });
    return { child, done };
  }

  run(script: string, verb: "apply" | "remove"): Promise<Outcome> {
    return this.begin(script, verb).done;
  }

  /** A file of the shared world. */
  write(name: string, text: string): void {
    writeFileSync(path.join(this.fake, name), text);
  }

  /** Lets a server listen at HOST:PORT; `hang` is one that takes connections and is silent. */
  async serve(target: string, how: "answers" | "hang" = "answers"): Promise<void> {
    this.write(`up/${target}`, how);
    await this.listening(target, true);
  }

  /** Nothing listens at HOST:PORT any more. */
  async silence(target: string): Promise<void> {
    this.remove(`up/${target}`);
    await this.listening(target, false);
  }

  private async listening(target: string, desired: boolean): Promise<void> {
    const end = Date.now() + 60_000;
    while (existsSync(path.join(this.fake, "listening", target)) !== desired) {
      if (Date.now() > end) {
        throw new Error(`${target} ${desired ? "does not listen" : "still listens"} after 60 s`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  remove(name: string): void {
    rmSync(path.join(this.fake, name), { recursive: true, force: true });
  }

  read(name: string): string {
    return readFileSync(path.join(this.fake, name), "utf8");
  }

  /** Is there such a file on the machine? */
  has(file: string): boolean {
    return existsSync(path.join(this.root, file));
  }

  /** What changed something: calls of kubeadm, kubectl, systemctl and etcd, in order; looking does not count. */
  changes(): string[] {
    return this.read("calls")
      .split("\n")
      .filter(
        (line) =>
          line !== "" &&
          !/^kubeadm version|: get |^systemd-run|is-enabled|endpoint\.service$/.test(line),
      );
  }

  dispose(): void {
    const units = path.join(this.fake, "units");
    const pids = existsSync(units)
      ? readdirSync(units).map((unit) => Number(this.read(`units/${unit}`)))
      : [];
    for (const pid of [...pids, ...this.groups]) {
      killGroup(pid);
    }
    for (const child of this.children.reverse()) {
      child.kill("SIGKILL");
    }
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Ends a process group, as when a connection's whole session is cut off; none left is fine. */
export function killGroup(pid: number): void {
  // 0 is the group of the caller
  if (!(pid > 1)) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // it has ended
  }
}

function lineOf(child: ChildProcess, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.stdout?.on("data", (chunk: Buffer) => {
      if (chunk.toString().includes(text)) {
        resolve();
      }
    });
    child.on("error", reject);
    child.on("close", (code) => reject(new Error(`ended with ${code} before it said ${text}`)));
  });
}

/** A CA, and one certificate for all servers and clients. */
function makeCertificates(folder: string, addresses: readonly string[]): void {
  const file = (name: string) => path.join(folder, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl(
    ...["req", "-x509", ...key, "-days", "3650", "-subj", "/CN=kubernetes"],
    ...["-keyout", file("ca.key"), "-out", file("ca.crt")],
  );
  const names = addresses.map((address) => `IP:${address}`).join(",");
  openssl(
    ...["req", "-x509", ...key, "-days", "3650", "-subj", "/CN=server"],
    ...["-CA", file("ca.crt"), "-CAkey", file("ca.key"), "-addext", `subjectAltName=${names}`],
    ...["-addext", "basicConstraints=critical,CA:FALSE"],
    ...["-keyout", file("server.key"), "-out", file("server.crt")],
  );
  for (const kind of ["crt", "key"]) {
    cpSync(file(`server.${kind}`), file(`apiserver-kubelet-client.${kind}`));
    cpSync(file(`server.${kind}`), file(`etcd/healthcheck-client.${kind}`));
  }
  cpSync(file("ca.crt"), file("etcd/ca.crt"));
}
