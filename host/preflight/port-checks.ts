import { HAPROXY_UID, PRODUCT, serviceInstance } from "../../names";
import type { Advice } from "../advice";
import { quote } from "../shell";
import type { PreflightSettings } from "./preflight-settings";

/**
 * Sh lines: LB and health port are free or ours, the API port is free or an API server's. The
 * kernel must not use them for outgoing connections, unless they are reserved.
 *
 * Ours means of the same topology: forward and HAProxy under its UID, or the HAProxy service. The
 * other topology's processes are refused: the two cannot share a port, and half a change would
 * break both.
 */
export function portChecks(settings: PreflightSettings, advice: Advice): string {
  const { ports, forward, service, controlPlaneNode = true } = settings;
  const ours = forward !== undefined ? "is_daemonset" : service !== undefined ? "is_service" : "";
  const checks = [
    ...(ours === ""
      ? []
      : [
          `${ports.lb} 'the LB port' ${quote(advice.ports.lb)} ${ours}`,
          `${ports.health} 'the health port' ${quote(advice.ports.health)} ${ours}`,
        ]),
    ...(controlPlaneNode
      ? [`${ports.api} 'the API port' ${quote(advice.ports.api)} is_api_server`]
      : []),
  ];
  return `${functions(advice, ports.lb)}
${checks.map((words) => `check_holder ${words}`).join("\n")}
${checks.map((words) => `check_range ${words}`).join("\n")}`;
}

const functions = (
  advice: Advice,
  lbPort: number,
) => `process_name() { cat "/proc/$1/comm" 2>/dev/null || echo "a process that has just ended"; }
is_service() { grep -q '/${serviceInstance(lbPort).haproxyUnit}' "/proc/$1/cgroup" 2>/dev/null; }
is_any_service() { grep -q '/${PRODUCT}-haproxy' "/proc/$1/cgroup" 2>/dev/null; }
is_former_service() { grep -q '/${PRODUCT}-haproxy\\.service' "/proc/$1/cgroup" 2>/dev/null; }
is_daemonset() {
  if is_any_service "$1"; then return 1; fi
  if grep -q '/${PRODUCT}-' "/proc/$1/cgroup" 2>/dev/null; then return 0; fi
  [ "$(process_name "$1")" = haproxy ] && grep -Eq '^Uid:[[:space:]]+${HAPROXY_UID}[[:space:]]' "/proc/$1/status" 2>/dev/null
}
is_api_server() { [ "$(process_name "$1")" = kube-apiserver ]; }
of_other_topology() { # pid, test of a good holder
  case $2 in
    is_service) is_daemonset "$1" ;;
    is_daemonset) is_any_service "$1" ;;
    *) return 1 ;;
  esac
}
check_holder() { # port, what it is, advice, test of a good holder
  has ss || return 0
  ss -Hltnp "sport = :$1" | while read -r _ _ _ listener _ users; do
    pids=$(printf '%s\\n' "$users" | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -un)
    [ -n "$pids" ] || printf '%s unknown\\n' "$listener"
    for pid in $pids; do printf '%s %s\\n' "$listener" "$pid"; done
  done | sort -u | while read -r listener pid; do
    if [ "$pid" = unknown ]; then
      printf '%s\\n' "a process that the host does not show, on $listener"
    elif ! "$4" "$pid"; then
      if of_other_topology "$pid" "$4"; then : >"$work/topology"; fi
      if is_former_service "$pid"; then : >"$work/former"; fi
      printf '%s\\n' "$(process_name "$pid") (pid $pid) on $listener"
    fi
  done | sort -u >"$work/holders"
  [ -s "$work/holders" ] || return 0
  hint="stop it, or $3"
  [ ! -e "$work/topology" ] ||
    hint="it belongs to this program's other topology: "${quote(advice.otherTopology)}
  [ ! -e "$work/former" ] ||
    hint="a former version of this program runs it: "${quote(advice.formerVersion)}
  problem "$2 $1 is held by $(tr '\\n' ',' <"$work/holders" | sed 's/,$//; s/,/, /g')" "$hint"
}
is_reserved() { # port, list like 80,90-100
  printf '%s\\n' "$2" | tr ',' '\\n' | while IFS=- read -r first last; do
    [ -n "$first" ] || continue
    if [ "$1" -ge "$first" ] && [ "$1" -le "\${last:-$first}" ]; then echo yes; fi
  done | grep -q yes
}
check_range() { # port, what it is, advice
  read -r low high </proc/sys/net/ipv4/ip_local_port_range || return 0
  if [ "$1" -lt "$low" ] || [ "$1" -gt "$high" ]; then return 0; fi
  reserved=$(cat /proc/sys/net/ipv4/ip_local_reserved_ports)
  if is_reserved "$1" "$reserved"; then return 0; fi
  problem "$2 $1 is in the range that the kernel uses for outgoing connections (net.ipv4.ip_local_port_range is $low-$high)" \\
    "reserve it with net.ipv4.ip_local_reserved_ports=\${reserved:+$reserved,}$1 in /etc/sysctl.d/ and sysctl --system, or $3"
}`;
