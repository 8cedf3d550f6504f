import { quote } from "../host/shell";
import { virtualIpPaths } from "../host/virtual-ip/virtual-ip-settings";
import type { HostStatus } from "./report";

/** The virtual IP as one host sees it. */
export interface VirtualIpStatus {
  /** The host has the address. */
  readonly holds: boolean;
  /** Of keepalived: MASTER, BACKUP, FAULT, STARTING, STOPPED; "absent": it is not installed. */
  readonly state: string;
  /** Seconds since the state changed; null: unknown. */
  readonly seconds: number | null;
  /** "yes", or why the host does not serve: such a host holds the address only if none does. */
  readonly serves: string;
}

/** Sh lines that print what this host knows of the virtual IP, see `parseVirtualIp`. */
export function askVirtualIp(address: string, lbPort: number): string {
  const { unit, program, runDir } = virtualIpPaths(lbPort);
  return `if [ -e ${program} ]; then
  state=STOPPED since=''
  [ ! -e ${runDir}/state ] || read -r state since <${runDir}/state || :
  systemctl --quiet is-active ${unit} || state="STOPPED"
  held=no
  if ip -o address show to ${quote(address)} | grep -q .; then held=yes; fi
  age=''
  [ -z "$since" ] || age=$(($(date +%s) - since))
  printf 'virtual-ip %s %s %s\\n' "$held" "$state" "\${age:--}"
  printf 'virtual-ip-serves %s\\n' "$(cat ${runDir}/serves 2>/dev/null)"
  ${program} foreign 2>/dev/null | sed 's/^/problem virtual IP: /'
else
  echo 'virtual-ip no absent -'
fi`;
}

/**
 * Reads the output of `askVirtualIp`.
 *
 * @param values the rest of each line that begins with this word
 */
export function parseVirtualIp(
  values: (word: string) => readonly string[],
): VirtualIpStatus | undefined {
  const line = values("virtual-ip")[0];
  if (line === undefined) return undefined;
  const [held, state = "", age = "-"] = line.split(" ");
  const seconds = /^\d+$/.test(age) ? Number(age) : null;
  return { holds: held === "yes", state, seconds, serves: values("virtual-ip-serves")[0] ?? "" };
}

/** What is wrong with the virtual IP on one host. */
export function virtualIpProblems(status: VirtualIpStatus | undefined): string[] {
  if (status === undefined) return [];
  const { holds, state, serves } = status;
  if (state === "absent") return ["the virtual IP is not installed"];
  if (state === "FAULT") return ["virtual IP: the interface is down"];
  if (holds && state !== "MASTER") {
    return [`the host has the virtual IP, but keepalived is ${state}: see journalctl there`];
  }
  if (state !== "MASTER" && state !== "BACKUP") {
    return [`virtual IP: keepalived is ${state}, so the host never takes the address`];
  }
  return serves === "yes"
    ? []
    : [`virtual IP: ${serves || "it is unknown whether the host serves"}`];
}

/** Problems of the hosts together: the address must have one holder. */
export function holderProblems(hosts: readonly HostStatus[], address: string): string[] {
  const asked = hosts.filter(({ virtualIp }) => virtualIp !== undefined);
  const holders = asked.filter(({ virtualIp }) => virtualIp?.holds).map(({ name }) => name);
  if (holders.length > 1) {
    return [
      `the virtual IP ${address} has ${holders.length} holders (${holders.join(", ")}): they do not hear each other; let IP protocol 112 (VRRP) through between them`,
    ];
  }
  const unknown = hosts.some(({ virtualIp }) => virtualIp === undefined);
  return holders.length === 0 && !unknown ? [`no host holds the virtual IP ${address}`] : [];
}

/** One cell of the table. */
export function showVirtualIp({ virtualIp }: HostStatus): string {
  if (virtualIp === undefined) return "-";
  const { holds, state, seconds, serves } = virtualIp;
  if (holds) return `holds it${seconds === null ? "" : ` for ${seconds} s`}`;
  return state === "BACKUP" ? (serves === "yes" ? "ready" : "does not serve") : state;
}
