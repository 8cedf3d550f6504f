import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
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

/** What a script in the private root printed. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A stack, and its name for the machine. */
export type Holder = readonly [stack: string, node: string];

/** Who applies and removes, unless a test says otherwise. */
export const HOLDER: Holder = ["organization/control-plane-lb/test", "m1"];

/** What a root is made of. */
export interface RootSettings {
  /** Addresses of its loopback interface. */
  readonly addresses: readonly string[];
  /** Folders with commands that come first in PATH. */
  readonly stubs: readonly string[];
  /** Commands of /usr/sbin that stubs replace there too. */
  readonly replaced?: readonly string[];
}

const MOUNTS = `set -eu
ip link set lo up
for address in $ADDRESSES; do ip address add "$address/32" dev lo; done
mount --make-rprivate /
for folder in usr dev proc; do mount --rbind "/$folder" "$ROOT/$folder"; done
mount --bind "$ROOT/stubs" "$ROOT/usr/local/sbin"
for command in $REPLACED; do mount --bind "$ROOT/stubs/$command" "$ROOT/usr/sbin/$command"; done
echo mounted
exec sleep infinity
`;

/**
 * A machine for one test: a root directory with stub binaries, in mount and network namespaces of
 * its own. Nothing outside the temporary directory is written; disposing removes it with its
 * processes.
 */
export class MachineRoot {
  readonly root = mkdtempSync(path.join(tmpdir(), "control-plane-lb-root-"));
  /** State that stubs and tests share; /fake in the root. */
  readonly fake = path.join(this.root, "fake");
  protected readonly children: ChildProcess[] = [];
  private readonly groups: number[] = [];
  protected holder: number | undefined;

  protected async start({ addresses, stubs, replaced = [] }: RootSettings): Promise<void> {
    // services without root enter it
    chmodSync(this.root, 0o755);
    const folders = "usr dev proc etc run var/lib opt tmp root fake/units stubs";
    for (const folder of folders.split(" ")) {
      mkdirSync(path.join(this.root, folder), { recursive: true });
    }
    for (const link of ["bin", "sbin", "lib", "lib64"]) {
      if (existsSync(`/${link}`)) {
        execFileSync("ln", ["-s", `usr/${link}`, path.join(this.root, link)]);
      }
    }
    for (const file of ["passwd", "group", "nsswitch.conf", "login.defs"]) {
      if (existsSync(`/etc/${file}`)) {
        cpSync(`/etc/${file}`, path.join(this.root, "etc", file));
      }
    }
    for (const folder of stubs) {
      cpSync(folder, path.join(this.root, "stubs"), { recursive: true });
    }
    this.write("calls", "");
    const holder = spawn("unshare", ["--mount", "--net", "sh", "-c", MOUNTS], {
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        ...process.env,
        ROOT: this.root,
        ADDRESSES: addresses.join(" "),
        REPLACED: replaced.join(" "),
      },
    });
    this.children.push(holder);
    await lineOf(holder, "mounted");
    this.holder = holder.pid;
  }

  /**
   * Starts `sh -s` with a script and its arguments in the machine; `done` resolves when it has
   * ended.
   */
  begin(script: string, ...words: string[]): { child: ChildProcess; done: Promise<Outcome> } {
    const child = spawn(
      "nsenter",
      ["-t", String(this.holder), "-m", "-n", "chroot", this.root, "/bin/sh", "-s", "--", ...words],
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
    // a killed script does not read all of it
    child.stdin.on("error", () => undefined);
    child.stdin.end(script);
    if (child.pid !== undefined) this.groups.push(child.pid);
    const done = new Promise<Outcome>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, stdout, stderr }));
    });
    return { child, done };
  }

  /**
   * @param holder for whom it runs: stack and node
   * @param words of the fragment
   */
  run(
    script: string,
    verb: "apply" | "remove",
    holder: Holder = HOLDER,
    ...words: string[]
  ): Promise<Outcome> {
    return this.begin(script, verb, ...holder, ...words).done;
  }

  /** A file that stubs read. */
  write(name: string, text: string): void {
    writeFileSync(path.join(this.fake, name), text);
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

  dispose(): void {
    const units = path.join(this.fake, "units");
    const pids = existsSync(units)
      ? readdirSync(units).map((unit) => Number(this.read(`units/${unit}`)))
      : [];
    for (const pid of [...pids, ...this.groups]) killGroup(pid);
    for (const child of this.children.reverse()) child.kill("SIGKILL");
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Kills a process group, as when an SSH session drops; it may have ended already. */
export function killGroup(pid: number): void {
  // 0 is the group of the caller
  if (!(pid > 1)) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // it has ended
  }
}

/** Resolves when the process prints the text. */
export function lineOf(child: ChildProcess, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.stdout?.on("data", (chunk: Buffer) => {
      if (chunk.toString().includes(text)) resolve();
    });
    child.on("error", reject);
    child.on("close", (code) => reject(new Error(`ended with ${code} before it printed ${text}`)));
  });
}
