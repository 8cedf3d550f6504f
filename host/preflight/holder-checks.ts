import type { Advice } from "../advice";
import { FORWARD_PART } from "../forward/forward-settings";
import { OTHER_HOLDER, PARTS_DIR } from "../holders";
import { BOOTSTRAP_PART } from "../kubeadm/kubeadm-settings";
import { quote } from "../shell";
import type { PreflightSettings } from "./preflight-settings";

/**
 * Sh lines: no other stack holds what this one installs on the host, nor its ports. The records on
 * the host say so, whether the other stack's services run or not.
 */
export function holderChecks(settings: PreflightSettings, advice: Advice): string {
  const { ports, forward, service, bootstrap } = settings;
  const parts = [
    ...(forward === undefined ? [] : [FORWARD_PART]),
    ...(bootstrap ? [BOOTSTRAP_PART] : []),
  ];
  const listens = forward !== undefined || service !== undefined;
  return [
    OTHER_HOLDER,
    CHECKS,
    ...parts.map((part) => `check_part_holder ${part}`),
    ...(listens
      ? [
          `check_port_holder ${ports.lb} 'the LB port' ${quote(advice.ports.lb)}`,
          `check_port_holder ${ports.health} 'the health port' ${quote(advice.ports.health)}`,
        ]
      : []),
  ].join("\n");
}

const CHECKS = `check_part_holder() { # part
  other=$(other_holder ${PARTS_DIR}/"$1")
  [ -z "$other" ] ||
    problem "$1 of this host belongs to $other" "destroy that stack first; if it is gone, or was renamed: rm ${PARTS_DIR}/$1/holders"
}
check_port_holder() { # port, what it is, advice
  for record in ${PARTS_DIR}/*/ports; do
    grep -qsxF -- "$1" "$record" || continue
    other=$(other_holder "\${record%/ports}")
    [ -z "$other" ] ||
      problem "$2 $1 belongs to $other on this host" "$3, or destroy that stack first; if it is gone, or was renamed: rm \${record%/ports}/holders"
  done
}`;
