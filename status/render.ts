import type { HostStatus } from "./report";
import { showVirtualIp } from "./virtual-ip";

/** What concerns the whole stack. */
interface StackStatus {
  readonly kubeconfigExpires?: Date | undefined;
  readonly problems?: readonly string[];
}

/** Renders a table with one line per host, then all problems. */
export function renderStatus(
  endpoint: string,
  hosts: readonly HostStatus[],
  { kubeconfigExpires: expires, problems: ofStack = [] }: StackStatus = {},
): string {
  const withVirtualIp = hosts.some(({ virtualIp }) => virtualIp !== undefined);
  const rows = hosts.map((host) => [
    host.name,
    host.address,
    host.server,
    host.forward,
    host.answers ? "yes" : "no",
    backends(host),
    host.updater?.discovery ?? "-",
    lastSync(host),
    ...(withVirtualIp ? [showVirtualIp(host)] : []),
  ]);
  const head = [
    ...["HOST", "ADDRESS", "SERVED BY", "FORWARD", "ANSWERS"],
    ...["BACKENDS", "DISCOVERY", "LAST SYNC"],
    ...(withVirtualIp ? ["VIRTUAL IP"] : []),
  ];
  const problems = [
    ...ofStack.map((problem) => `  ${problem}`),
    ...hosts.flatMap((host) => host.problems.map((problem) => `  ${host.name}: ${plain(problem)}`)),
  ];
  return [
    `endpoint ${endpoint}`,
    ...(expires === undefined
      ? []
      : [`administrator's kubeconfig valid until ${expires.toISOString().slice(0, 10)}`]),
    "",
    table([head, ...rows.map((row) => row.map(plain))]),
    "",
    ...(problems.length === 0 ? ["no problems"] : ["problems:", ...problems]),
    "",
  ].join("\n");
}

/** One line without control characters: the text comes from a host, and goes to a terminal. */
function plain(text: string): string {
  return text
    .trim()
    .replaceAll(/\s*\n\s*/g, "; ")
    .replaceAll(/\p{C}/gu, "?");
}

/** Aligns columns, with two spaces between them. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "))
    .map((line) => line.trimEnd())
    .join("\n");
}

function backends({ updater, backends }: HostStatus): string {
  const all = updater?.backends ?? backends;
  if (all === undefined) return "-";
  return all.map(({ name, state }) => `${name} ${state}`).join(", ") || "unknown";
}

function lastSync({ updater, backends }: HostStatus): string {
  if (updater === undefined) return backends === undefined ? "-" : "n/a";
  const seconds = updater.lastSyncSeconds;
  return seconds === null ? "never" : `${Math.round(seconds)} s ago`;
}
