import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { forwardPart } from "../../../host/forward/forward-part";
import {
  LISTENER_PROGRAM,
  RULES_PROGRAM,
  needsRules,
  type ForwardSettings,
} from "../../../host/forward/forward-settings";
import { filesOf } from "../../../host/part";
import { ADDRESS, type Host, type Job, type Network } from "./network";
import { waitFor } from "./wait";

/** The forward's programs as its units run them, without systemd. */
export class RunningForward {
  private readonly folder = mkdtempSync(path.join(tmpdir(), "forward-test-"));
  rules: Job | undefined;
  listener: Job | undefined;

  constructor(
    private readonly network: Network,
    private readonly settings: ForwardSettings,
    private readonly host: Host = "m1",
  ) {
    for (const file of filesOf(forwardPart(settings))) {
      writeFileSync(path.join(this.folder, path.basename(file.path)), file.content);
    }
  }

  command(program: string, word: string): string[] {
    return ["sh", path.join(this.folder, path.basename(program)), word];
  }

  startRules(): Job {
    this.rules = this.network.start(this.host, this.command(RULES_PROGRAM, "watch"));
    return this.rules;
  }

  startListener(): Job {
    this.listener = this.network.start(this.host, this.command(LISTENER_PROGRAM, "run"));
    return this.listener;
  }

  async rulesWork(): Promise<boolean> {
    return (await this.network.exec(this.host, this.command(RULES_PROGRAM, "check"))).code === 0;
  }

  async listenerWorks(): Promise<boolean> {
    return (await this.network.exec(this.host, this.command(LISTENER_PROGRAM, "check"))).code === 0;
  }

  async start(): Promise<void> {
    if (needsRules(this.settings)) {
      const job = this.startRules();
      // the program prints it once its rules are in the kernel and the watcher runs
      await waitFor("rules of the forward", () => job.output.includes("new connections"));
      await waitFor("rules of the forward", () => this.rulesWork());
    }
    this.startListener();
    await waitFor("listener of the forward", () => this.listenerWorks());
  }

  /** What the units do when they stop. */
  async stop(): Promise<void> {
    await this.listener?.stop("SIGTERM");
    await this.rules?.stop("SIGTERM");
    if (needsRules(this.settings)) {
      await this.network.must(this.host, this.command(RULES_PROGRAM, "remove"));
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/**
 * Real HAProxy on m1, on its specific addresses, under its UID. Its one server is m2: an answer of
 * m2 came through HAProxy.
 */
export class RunningHaproxy {
  private readonly folder = mkdtempSync(path.join(tmpdir(), "forward-test-haproxy-"));
  private job: Job | undefined;

  constructor(
    private readonly network: Network,
    private readonly binds: readonly string[] = [`${ADDRESS.m1}:6444`],
    private readonly rules: readonly string[] = [],
  ) {
    const file = path.join(this.folder, "haproxy.cfg");
    writeFileSync(
      file,
      [
        "global",
        "  maxconn 500",
        "defaults",
        "  mode tcp",
        "  timeout connect 5s",
        "  timeout client 60s",
        "  timeout server 60s",
        "frontend lb",
        ...this.binds.map((bind) => `  bind ${bind}`),
        ...this.rules,
        "  default_backend api",
        "backend api",
        `  server m2 ${ADDRESS.m2}:6443`,
        "",
      ].join("\n"),
      { mode: 0o644 },
    );
  }

  start(): void {
    const file = path.join(this.folder, "haproxy.cfg");
    this.job = this.network.start("m1", [
      "sh",
      "-c",
      'chmod 755 "$1"; exec setpriv --reuid 99 --regid 99 --clear-groups haproxy -db -f "$1/haproxy.cfg"',
      "haproxy-test",
      path.dirname(file),
    ]);
  }

  /** Stops it; resolves with a time after its end, in ms since 1970. */
  async end(signal: NodeJS.Signals): Promise<number> {
    const { job } = this;
    if (job === undefined) throw new Error("HAProxy was not started");
    this.job = undefined;
    job.signal(signal);
    await job.ended;
    // clients record whole milliseconds: a request of this one may still have met it
    return Date.now() + 1;
  }

  get output(): string {
    return this.job?.output ?? "";
  }

  async clear(): Promise<void> {
    await this.job?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
