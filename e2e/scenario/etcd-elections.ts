import { setTimeout as sleep } from "node:timers/promises";
import type { Load, Period } from "../load/load";
import type { LabCluster } from "./lab-cluster";

/**
 * A follower calls for an election when it has heard nothing of its leader for 1 to 2 s (etcd's
 * election timeout of 1000 ms, randomized). Until then it forwards writes to a leader that may be
 * dead.
 */
const ELECTION_TIMEOUT_MS = 2000;

/**
 * Prints the leader changes that all etcd containers of a machine have logged, each with its file.
 */
const READ_LOGS =
  "grep -HE 'raft.node: .* (lost|elected) leader' /var/log/pods/kube-system_etcd-*/etcd/*.log";

/** Shorter than a replaced machine's last seconds. */
const WATCH_MS = 3000;

const LEADER_CHANGE = /^(\S+?):.*"ts":"([^"]+)".*"msg":"raft\.node: \S+ (lost|elected) leader /;

/**
 * Periods in which one etcd member had no leader or a dead one, from its logs. The metric
 * etcd_server_leader_changes_seen_total counts elections too, but only the log has their times.
 * A loss without an election in the same file ends its period: the container has ended.
 * @param lines output of `grep -H`
 */
export function electionsIn(lines: string): Period[] {
  const elections: Period[] = [];
  let open: { file: string; from: number; to: number } | undefined;
  for (const line of lines.split("\n")) {
    const [, file = "", time = "", event] = LEADER_CHANGE.exec(line) ?? [];
    if (event === undefined) continue;
    const at = Date.parse(time);
    if (event === "lost") {
      open = { file, from: at - ELECTION_TIMEOUT_MS, to: at };
      elections.push(open);
    } else if (open?.file === file) {
      open.to = at;
      open = undefined;
    }
  }
  return elections.map(({ from, to }) => ({ from, to }));
}

/** Passes the elections in the logs of all reachable etcd members to the load. */
export async function markEtcdElections(cluster: LabCluster, load: Load): Promise<void> {
  await load.markElections(await readElections(cluster));
}

/**
 * Collects elections while machines are replaced: a log goes with its machine, and the members that
 * stay have logged the same election.
 */
export class ElectionWatch {
  /** By their times. */
  private readonly seen = new Map<string, Period>();
  private readonly stopping = new AbortController();
  private readonly loop: Promise<void>;

  constructor(private readonly cluster: LabCluster) {
    this.loop = this.poll();
  }

  /** Ends it. @returns all elections since the start */
  async stop(): Promise<readonly Period[]> {
    if (!this.stopping.signal.aborted) {
      this.stopping.abort();
      await this.loop;
      await this.collect();
    }
    return [...this.seen.values()];
  }

  private async poll(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      // the lab may be removed meanwhile
      await this.collect().catch(() => undefined);
      await sleep(WATCH_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  private async collect(): Promise<void> {
    for (const period of await readElections(this.cluster)) {
      this.seen.set(`${period.from}-${period.to}`, period);
    }
  }
}

async function readElections(cluster: LabCluster): Promise<Period[]> {
  const logs = await Promise.all(
    cluster.controlPlaneNodes.map(({ name }) =>
      cluster.lab.exec(name, READ_LOGS, { check: false, timeoutMs: 30_000 }).then(
        ({ stdout }) => stdout,
        // the machine is off; the other members have logged the election
        () => "",
      ),
    ),
  );
  return logs.flatMap(electionsIn);
}
