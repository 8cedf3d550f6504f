import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Engine, type ConfigValue } from "../../../pulumi-test-utils/src/index";
import { program } from "../../../stacks/program";
import { FakeApi } from "./fake-api";
import { keyPair } from "../../support/key-pair";
import { FakeHost, type Answer, type Run } from "./fake-host";

export const PROJECT_FILE = path.resolve(__dirname, "../../../Pulumi.yaml");

type KeyPair = ReturnType<typeof keyPair>;

/** The public key without its comment. */
function publicKey(pair: KeyPair): string {
  return pair.public.split(" ").slice(0, 2).join(" ");
}

/**
 * Fake hosts and a fake API that share one journal: the real engine and the program do everything
 * else.
 */
export class Bench {
  /** All changes, in order: "m1 forward apply", "DELETE configmaps/haproxy-backends". */
  readonly journal: string[] = [];
  /** Each script with its arguments: "forward apply organization/control-plane-lb/test m1". */
  readonly holders: string[] = [];
  readonly userKey = keyPair();
  /** Another operator's, whom the hosts know too. */
  readonly colleagueKey = keyPair();
  readonly hostKey = keyPair();
  /**
   * Answers of scripts instead of the usual ones, by the script's name; a function is called when
   * the script runs.
   */
  readonly answers = new Map<string, Answer | (() => Answer)>();
  private readonly hosts = new Map<string, FakeHost>();
  private readonly hostKeys = new Map<string, KeyPair>();
  private readonly folder = mkdtempSync(path.join(tmpdir(), "control-plane-lb-engine-"));
  private engines: Engine[] = [];

  private constructor(readonly api: FakeApi) {}

  static async start(...names: readonly string[]): Promise<Bench> {
    const bench: Bench = new Bench(await FakeApi.start((line) => bench.journal.push(line)));
    for (const name of names) await bench.addHost(name);
    writeFileSync(path.join(bench.folder, "key"), bench.userKey.private, { mode: 0o600 });
    return bench;
  }

  async addHost(name: string, hostKey = this.hostKey): Promise<void> {
    const keys = {
      host: hostKey.private,
      users: [this.userKey.private, this.colleagueKey.private],
    };
    this.hostKeys.set(name, hostKey);
    this.hosts.set(name, await FakeHost.start(name, keys, (run) => this.answer(run)));
  }

  async stopHost(name: string): Promise<void> {
    await this.hosts.get(name)?.stop();
  }

  /** Another machine takes the place of this one: it has another host key. */
  async reprovision(name: string): Promise<void> {
    await this.stopHost(name);
    await this.addHost(name, keyPair());
  }

  private answer({ script, ...ran }: Run): Answer {
    // the fake API's port is the LB port, which names the parts of a load-balancer host
    const port = new RegExp(`-${this.api.endpoint.port}$`);
    const run = { ...ran, script: script.replace(port, "-6444") };
    const word = /-- (\S+) /.exec(run.command)?.[1] ?? "";
    this.journal.push(`${run.host} ${run.script} ${word}`);
    this.holders.push(`${run.script} ${/-- (.*)$/.exec(run.command)?.[1]}`);
    const given = this.answers.get(run.script);
    if (given !== undefined) return typeof given === "function" ? given() : given;
    if (run.script === "kubeconfig") return { stdout: this.api.kubeconfig() };
    if (run.script.startsWith("join-credentials-for-")) {
      return { stdout: `absent ${Math.floor(Date.now() / 1000)}\n` };
    }
    return { stdout: "done\n" };
  }

  /** Entry of `nodes` for a fake host. */
  node(name: string, last: number, more: object = {}): [string, object] {
    const host = this.hosts.get(name);
    const hostKey = publicKey(this.hostKeys.get(name) ?? this.hostKey);
    const reached = { sshHost: "127.0.0.1", sshPort: host?.port, hostKey };
    return [name, { address: `10.0.0.${last}`, ...reached, ...more }];
  }

  /** Configuration with all fake hosts, or with these. */
  config(
    nodes: readonly [string, object][] = [...this.hosts.keys()].map((name, index) =>
      this.node(name, 11 + index),
    ),
    more: Record<string, ConfigValue> = {},
  ): Record<string, ConfigValue> {
    return {
      endpoint: { value: this.api.endpoint },
      nodes: { value: Object.fromEntries(nodes) },
      ssh: {
        value: { user: "ops", privateKeyFile: path.join(this.folder, "key") },
      },
      ...more,
    };
  }

  /** The same for a cluster that exists. */
  existing(nodes?: readonly [string, object][]): Record<string, ConfigValue> {
    const kubeconfig = { value: this.api.kubeconfig(), secret: true };
    return this.config(nodes, { bootstrap: "none", kubeconfig });
  }

  async engine(config: Record<string, ConfigValue>, stack = "test"): Promise<Engine> {
    const engine = await Engine.create({
      program,
      projectFile: PROJECT_FILE,
      stack,
      config,
    });
    this.engines.push(engine);
    return engine;
  }

  /** Waits for something that an operation in progress does. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (!isSo()) {
      if (Date.now() > deadline) throw new Error(`not within 60 s: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The journal since the last call. */
  takeJournal(): string[] {
    return this.journal.splice(0);
  }

  async stop(): Promise<void> {
    for (const engine of this.engines.splice(0)) await engine.dispose();
    for (const host of this.hosts.values()) await host.stop();
    await this.api.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
