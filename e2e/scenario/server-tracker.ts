import { setTimeout as sleep } from "node:timers/promises";
import type { DemoCluster } from "./lab-cluster";

/** Who serves the LB port of a machine from a moment on. */
export interface Change {
  /** ms since 1970. */
  readonly at: number;
  readonly machine: string;
  readonly server: "forward" | "HAProxy" | "nobody";
}

/** Follows who serves each machine's LB port; looks once a second, which costs the machines next to nothing. */
export class ServerTracker {
  readonly changes: Change[] = [];
  private readonly now = new Map<string, Change["server"]>();
  private readonly stopping = new AbortController();
  private readonly otherwise: Change["server"];
  private readonly loop: Promise<void>;

  constructor(private readonly cluster: DemoCluster) {
    this.otherwise = cluster.topology === "daemonset" ? "forward" : "nobody";
    this.loop = this.follow();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  private async follow(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await Promise.all(this.cluster.controlPlaneNodes.map(({ name }) => this.look(name)));
      await sleep(1000, undefined, { signal }).catch(() => undefined);
    }
  }

  private async look(machine: string): Promise<void> {
    try {
      const server = (await this.cluster.haproxyListens(machine)) ? "HAProxy" : this.otherwise;
      if (this.now.get(machine) === server) return;
      this.now.set(machine, server);
      this.changes.push({ at: Date.now(), machine, server });
    } catch {
      // the machine is off or being removed
    }
  }
}
