import type { Period } from "../load/load";
import type { LabCluster } from "./lab-cluster";

const READ_LOGS = `grep -h '"level":"warn"' /var/log/pods/kube-system_etcd-*/etcd/*.log || :`;

/** Fields of a warning of etcd that tell how long what took. */
const FIELDS = ["msg", "took", "expected-duration"] as const;

/**
 * Warnings in the log of an etcd member that fall into a period: slow disks and requests. They
 * explain a late write; they excuse none.
 *
 * @param lines of the container's log
 */
export function warningsIn(lines: string, { from, to }: Period): string[] {
  return lines.split("\n").flatMap((line) => {
    const json = line.slice(line.indexOf("{"));
    const at = Date.parse(/"ts":"([^"]+)"/.exec(json)?.[1] ?? "");
    if (!(at >= from && at <= to)) return [];
    const values = FIELDS.flatMap((field) => {
      const value = new RegExp(`"${field}":"([^"]*)"`).exec(json)?.[1];
      return value === undefined ? [] : [`${field}=${value}`];
    });
    return [`${new Date(at).toISOString().slice(11, 23)} ${values.join(" ")}`];
  });
}

/** The same of every member, each line with its machine; none of a machine that is off. */
export async function etcdWarnings(cluster: LabCluster, period: Period): Promise<string[]> {
  const members = cluster.controlPlaneNodes.map(async ({ name }) => {
    const { stdout } = await cluster.lab
      .exec(name, READ_LOGS, { check: false, timeoutMs: 30_000 })
      .catch(() => ({ stdout: "" }));
    return warningsIn(stdout, period).map((line) => `etcd of ${name}: ${line}`);
  });
  return (await Promise.all(members)).flat().sort();
}
