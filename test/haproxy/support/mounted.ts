/** HAProxy's container of the variant `mounted`: the script as pid 1, and kubelet's volume. */
import { spawn, type ChildProcess } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { mountedScript } from "../../../pod/mounted-script";
import { renderMountedConfig } from "../../../haproxy/mounted";
import { parseServerStates } from "../../../haproxy/server-metrics";
import { ask } from "../../../haproxy/socket";
import type { Rig, Binary } from "./rig";
import { waitFor } from "./wait";

/** A shell with its image's tools. */
export interface Shell {
  readonly name: string;
  readonly command: readonly string[];
  /** Folders with its tools. */
  readonly path: (folder: string) => string;
  /** A reload keeps the servers' health. */
  readonly perl: boolean;
}

export class MountedPod {
  readonly configFile: string;
  readonly #rig: Rig;
  readonly #binary: Binary;
  readonly #shell: Shell;
  readonly #mounted: string;
  #child: ChildProcess | undefined;
  #output = "";
  #version = 0;

  constructor(rig: Rig, binary: Binary, shell: Shell) {
    this.#rig = rig;
    this.#binary = binary;
    this.#shell = shell;
    this.#mounted = join(rig.folder, "mounted");
    this.configFile = join(rig.folder, "etc/haproxy.cfg");
    mkdirSync(dirname(this.configFile));
    mkdirSync(this.#mounted);
  }

  /** haproxy.cfg with these servers as its backends. */
  config(...names: string[]): string {
    return renderMountedConfig(
      this.#rig.settings.haproxy,
      names.map((name) => this.#rig.server(name).backend),
    );
  }

  /** As kubelet does it: swaps the link `..data` to a new folder. Undefined: removes the key. */
  mount(text: string | undefined): void {
    const former = `..${this.#version}`;
    this.#version += 1;
    const version = `..${this.#version}`;
    mkdirSync(join(this.#mounted, version));
    if (text !== undefined) writeFileSync(join(this.#mounted, version, "haproxy.cfg"), text);
    symlinkSync(version, join(this.#mounted, "..data_tmp"));
    renameSync(join(this.#mounted, "..data_tmp"), join(this.#mounted, "..data"));
    const key = join(this.#mounted, "haproxy.cfg");
    if (text === undefined) rmSync(key, { force: true });
    else if (!lstatSync(key, { throwIfNoEntry: false })) symlinkSync("..data/haproxy.cfg", key);
    rmSync(join(this.#mounted, former), { recursive: true, force: true });
  }

  /** Starts the container; it may fail. */
  run(): void {
    const { adminSocket, stateFile, caFile } = this.#rig.settings.haproxy;
    const { configFile } = this;
    const paths = { configFile, stateFile, adminSocket, caFile };
    const script = mountedScript({ mounted: this.#mounted, ...paths });
    const path = [
      join(this.#rig.folder, "first"),
      dirname(this.#binary.command[0] ?? ""),
      this.#shell.path(this.#rig.folder),
    ];
    this.#output = "";
    const child = spawn(
      "/usr/bin/unshare",
      ["--pid", "--fork", "--kill-child", "--mount-proc", ...this.#shell.command, "-c", script],
      {
        stdio: ["ignore", "ignore", "pipe"],
        env: { PATH: path.join(":"), HOST_IP: "127.0.0.1" },
      },
    );
    child.stderr.on("data", (chunk: Buffer) => (this.#output += chunk.toString()));
    this.#child = child;
  }

  /** Starts the container, and waits until HAProxy answers. */
  async start(): Promise<void> {
    this.run();
    await waitFor("HAProxy answers", async () => {
      if (this.ended !== undefined) throw new Error(`ended: ${this.#output}`);
      return (await this.#rig.health("/healthz")).status === 200;
    });
  }

  /** The container's stderr since its start. */
  get output(): string {
    return this.#output;
  }

  /** The script's own lines. */
  get lines(): string[] {
    return this.#output.split("\n").filter((line) => line.startsWith("control-plane-lb: "));
  }

  /** Exit code, or signal; undefined while it runs. */
  get ended(): number | string | undefined {
    return this.#child?.exitCode ?? this.#child?.signalCode ?? undefined;
  }

  async signal(name: NodeJS.Signals): Promise<void> {
    const pid = await waitFor("pid 1", () => {
      const { pid } = this.#child ?? {};
      return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")) || undefined;
    });
    process.kill(pid, name);
  }

  /** kill -9 of pid 1 kills all its processes. */
  async kill(): Promise<void> {
    if (this.#child === undefined || this.ended !== undefined) return;
    await this.signal("SIGKILL");
    await this.end();
  }

  async end(): Promise<number | string> {
    return waitFor("the container has ended", () => {
      const ended = this.ended;
      return ended === undefined ? undefined : { ended };
    }).then(({ ended }) => ended);
  }

  /** Pid of the serving worker, in the container's namespace. */
  async worker(): Promise<string | undefined> {
    const info = await ask(this.#rig.settings.haproxy.adminSocket, "show info", 5000);
    return /^Pid: (\d+)$/m.exec(info)?.[1];
  }

  /** Waits until these servers, and no others, are ready. */
  async ready(...names: string[]): Promise<void> {
    await waitFor(`ready: ${names.join(" ")}`, async () => {
      const states = parseServerStates((await this.#rig.health("/metrics")).body);
      const up = states.filter(({ state }) => state === "ready").map(({ name }) => name);
      if (up.sort().join() !== names.join()) throw new Error(JSON.stringify(states));
      return true;
    });
  }

  /**
   * After `cut`, this tool does only `half`, then hangs. Call it before the start: shells hash
   * paths.
   */
  makeCuttable(tool: string, half: string): void {
    const at = (name: string): string => join(this.#rig.folder, name);
    mkdirSync(at("first"), { recursive: true });
    const script = `#!/bin/sh
PATH=${this.#shell.path(this.#rig.folder)}
[ -e ${at("cut")} ] || exec ${tool} "$@"
${half}
: >${at("hangs")}
exec sleep 1000
`;
    writeFileSync(at(`first/${tool}`), script, { mode: 0o755 });
  }

  cut(): void {
    writeFileSync(join(this.#rig.folder, "cut"), "");
  }

  repair(): void {
    rmSync(join(this.#rig.folder, "cut"));
  }

  async hangs(): Promise<void> {
    await waitFor("the tool hangs", () => existsSync(join(this.#rig.folder, "hangs")));
  }
}
