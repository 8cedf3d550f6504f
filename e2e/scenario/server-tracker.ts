import { setTimeout as sleep } from "node:timers/promises";
import type { LabCluster } from "./lab-cluster";

/** From this time on a machine's LB port is served by `server`. */
export interface ServerChange {
  /** ms since 1970. */
  readonly at: number;
  readonly machine: string;
  readonly server: "forward" | "HAProxy" | "none";
}

/**
 * Tracks what serves each machine's LB port. It polls once a second, which costs the machines
 * little.
 */
export class ServerTracker {
  readonly changes: ServerChange[] = [];
  private readonly current = new Map<string, ServerChange["server"]>();
  private readonly stopping = new AbortController();
  private readonly withoutHaproxy: ServerChange["server"];
  private readonly loop: Promise<void>;

  constructor(private readonly cluster: LabCluster) {
    this.withoutHaproxy = cluster.topology === "daemonset" ? "forward" : "none";
    this.loop = this.poll();
  }

  /** What serves a machine's LB port now; undefined before the first look. */
  serverOf(machine: string): ServerChange["server"] | undefined {
    return this.current.get(machine);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  private async poll(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await Promise.all(this.cluster.loadBalancers.map(({ name }) => this.check(name)));
      await sleep(1000, undefined, { signal }).catch(() => undefined);
    }
  }

  private async check(machine: string): Promise<void> {
    try {
      const server = (await this.cluster.haproxyListens(machine)) ? "HAProxy" : this.withoutHaproxy;
      if (this.current.get(machine) === server) return;
      this.current.set(machine, server);
      this.changes.push({ at: Date.now(), machine, server });
    } catch {
      // the machine is off or being removed
    }
  }
}
