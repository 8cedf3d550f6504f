import { HOST_LIB_DIR, UNIT_DIR } from "../../names";
import { DEFAULT_ADVICE } from "../advice";
import { needsRules } from "../forward/forward-settings";
import { commandsOf, PACKAGE_FUNCTIONS, packageNames, type Capability } from "../packages";
import { hostScript, quote } from "../shell";
import { addressChecks } from "./address-checks";
import { certificateChecks } from "./certificate-checks";
import { endpointChecks } from "./endpoint-checks";
import { KUBEADM_CHECKS } from "./kubeadm-checks";
import { holderChecks } from "./holder-checks";
import { portChecks } from "./port-checks";
import { rulesCheck } from "./rule-checks";
import { serviceChecks } from "./service-checks";
import { virtualIpChecks } from "./virtual-ip-checks";
import type { PreflightSettings } from "./preflight-settings";

export type { ExistingCluster, PreflightSettings } from "./preflight-settings";

/** A clock before this year was never set: no current certificate would be valid. */
export const EARLIEST_YEAR = 2025;

/**
 * `hostScript` that changes nothing: it prints every problem as `NODE: what is wrong: what to do`
 * on stderr and ends with 1 if there is one. It takes no lock, so it never waits for another run.
 */
export function preflightScript(
  settings: PreflightSettings,
  options: { readonly generation?: number } = {},
): string {
  const { node, bootstrap, diskMiB = 1024, advice = DEFAULT_ADVICE } = settings;
  return hostScript(
    node,
    {
      apply: [
        START,
        `[ -d /run/systemd/system ] || problem "systemd does not run this host" "use a host with systemd"`,
        ...tools(settings).map(needTool),
        addressChecks(settings, advice),
        holderChecks(settings, advice),
        ...(settings.endpoint === undefined ? [] : [endpointChecks(settings.endpoint, advice)]),
        portChecks(settings, advice),
        rulesCheck(settings, advice),
        ...(settings.service === undefined ? [] : [serviceChecks(settings.service, advice)]),
        ...(settings.virtualIp === undefined
          ? []
          : [virtualIpChecks(settings.virtualIp, settings.ports.lb, advice)]),
        ...(settings.existing === undefined ? [] : [certificateChecks(settings.existing, advice)]),
        systemChecks(diskMiB),
        ...(bootstrap ? [KUBEADM_CHECKS] : []),
        FINISH,
      ].join("\n"),
    },
    { ...options, lock: false },
  );
}

/** Commands that the host must already have; nothing installs them. */
function tools(settings: PreflightSettings): Capability[] {
  const { forward, service, allow = [], bootstrap } = settings;
  const rules = forward !== undefined && needsRules({ kind: forward, allow });
  return [
    ...(["iproute2", "util-linux", "coreutils", "findutils"] as const),
    ...(forward === undefined ? [] : (["socat"] as const)),
    ...(rules ? [forward === "iptables" ? ("iptables" as const) : ("nftables" as const)] : []),
    ...(service === undefined ? [] : (["accounts"] as const)),
    ...(bootstrap ? (["kubeadm", "kubelet", "kubectl", "curl"] as const) : []),
  ];
}

function needTool(capability: Capability): string {
  return commandsOf(capability)
    .map((command) => `need ${command} ${quote(packageNames(capability))}`)
    .join("\n");
}

const START = `${PACKAGE_FUNCTIONS}
problems=0
problem() { # what is wrong, what to do
  problems=$((problems + 1))
  warn "$1: $2"
}
has() { command -v "$1" >/dev/null 2>&1; }
need() { # command, names of its package
  has "$1" || problem "command $1 is missing" "install it\${packages_manager:+ (package $(packages_name "$2"))}"
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT`;

function systemChecks(diskMiB: number): string {
  return `free=$(df -Pm /var/lib | while read -r _ _ _ available _; do echo "$available"; done | tail -n 1)
[ "$free" -ge ${diskMiB} ] || problem "only $free MiB are free under /var/lib, ${diskMiB} are needed" "make room"
for folder in ${UNIT_DIR} ${quote(HOST_LIB_DIR)}; do
  while [ ! -d "$folder" ]; do folder=\${folder%/*}; done
  [ -w "$folder/" ] || problem "folder $folder cannot be written" "mount it writable"
done
[ "$(date +%Y)" -ge ${EARLIEST_YEAR} ] || problem "the clock says $(date -u +%Y-%m-%d)" "set the clock (NTP): certificates would not be valid"`;
}

const FINISH = `if [ "$problems" -gt 0 ]; then
  warn "$problems problem(s); nothing was changed"
  exit 1
fi
say "$script_name: ready"`;
