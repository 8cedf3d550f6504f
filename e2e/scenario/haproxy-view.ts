import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MasterApi } from "../../haproxy/master";
import { formatBackend } from "../../haproxy/model";
import { ADMIN, RuntimeApi } from "../../haproxy/runtime";
import type { Lab } from "../../lab/src/index";

/** srv_op_state of servers that take connections: STARTING (1, slow start) and RUNNING (2). */
const USED: ReadonlySet<number> = new Set([1, 2]);

/** srv_admin_state of servers that take no new connections. */
const CLOSED = ADMIN.maintenance | ADMIN.drain;

const POLL_MS = 3;

/** One machine's HAProxy, read through its sockets from the lab's host. */
export class HaproxyView {
  private constructor(
    readonly machine: string,
    private readonly runtime: RuntimeApi,
    readonly master: MasterApi,
  ) {}

  /** @throws when no HAProxy runs on the machine */
  static async connect(lab: Lab, machine: string): Promise<HaproxyView> {
    const { stdout } = await lab.exec(machine, "pidof haproxy");
    // the last one is the oldest: the master process
    const pid = stdout.trim().split(/\s+/).at(-1) ?? "";
    const sockets = path.join(lab.rootOf(machine), "proc", pid, "root/run/haproxy");
    return new HaproxyView(
      machine,
      new RuntimeApi(path.join(sockets, "admin.sock")),
      new MasterApi(path.join(sockets, "master.sock")),
    );
  }

  /** `description` of the running configuration. */
  async description(): Promise<string> {
    return (await this.runtime.snapshot()).description;
  }

  /** The API servers that new connections go to, as ADDRESS:PORT. */
  async routes(): Promise<ReadonlySet<string>> {
    const servers = await this.runtime.serversState();
    const used = servers.filter(
      ({ pool, admin, operational }) =>
        pool === "ready" && USED.has(operational) && (admin & CLOSED) === 0,
    );
    return new Set(used.map(formatBackend));
  }

  /**
   * Waits until the routes meet a condition.
   * @returns performance.now() of the first match
   * @throws after `seconds`
   */
  async waitForRoutes(
    condition: (routes: ReadonlySet<string>) => boolean,
    seconds: number,
  ): Promise<number> {
    const deadline = performance.now() + seconds * 1000;
    for (;;) {
      const routes = await this.routes();
      const now = performance.now();
      if (condition(routes)) return now;
      if (now > deadline) {
        throw new Error(`${this.machine}: not within ${seconds} s; routes: ${[...routes].join()}`);
      }
      await sleep(POLL_MS);
    }
  }
}
