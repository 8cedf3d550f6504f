import { createHash } from "node:crypto";
import { HARDENING } from "../hardening";
import {
  LISTENER_PROGRAM,
  LISTENER_UNIT,
  RULES_PROGRAM,
  RULES_UNIT,
  type ForwardSettings,
} from "./forward-settings";

/** Environment variable of both units: it names what the running process was started with, so that a run that was cut off restarts it. */
export const DIGEST_VARIABLE = "FORWARD_DIGEST";

// what flushes or reloads the kernel's rules on the usual distributions
const FIREWALLS =
  "nftables.service firewalld.service iptables.service ip6tables.service netfilter-persistent.service ufw.service";

/**
 * The unit of the fallback listener. It starts as root only to become UID 99 by setpriv (systemd refuses a numeric User= without an
 * account), and holds no capability afterwards. `Upholds=` brings the rules back when a stopped firewall service took them along.
 */
export function listenerUnit(settings: ForwardSettings, program: string): string {
  return unit({
    description: `Fallback listener of the control-plane endpoint (TCP ${settings.lbPort} to the API server on ${settings.apiPort})`,
    relations: [
      "Wants=network-online.target",
      "After=network-online.target",
      `Upholds=${RULES_UNIT}`,
    ],
    service: [
      `ExecStart=${LISTENER_PROGRAM} run`,
      "SuccessExitStatus=143",
      // one process per connection
      "TasksMax=16384",
    ],
    capabilities: "CAP_SETUID CAP_SETGID",
    writable: [],
    program,
  });
}

/** The unit of the rules: there before kubelet starts, and again whenever a firewall service restarts. */
export function rulesUnit(settings: ForwardSettings, program: string): string {
  return unit({
    description: `Forward of the control-plane endpoint in the kernel (TCP ${settings.lbPort} to the API server on ${settings.apiPort})`,
    relations: [
      "Wants=network-online.target",
      `After=network-online.target ${FIREWALLS}`,
      `PartOf=${FIREWALLS}`,
    ],
    service: [
      `ExecStartPre=${RULES_PROGRAM} put`,
      `ExecStart=${RULES_PROGRAM} watch`,
      `ExecStopPost=${RULES_PROGRAM} stopped`,
    ],
    capabilities: "CAP_NET_ADMIN CAP_NET_RAW",
    // the lock of the legacy iptables
    writable: settings.kind === "iptables" ? ["ReadWritePaths=/run"] : [],
    program,
  });
}

interface UnitParts {
  readonly description: string;
  readonly relations: readonly string[];
  readonly service: readonly string[];
  readonly capabilities: string;
  readonly writable: readonly string[];
  /** Text of the program, for the digest. */
  readonly program: string;
}

function unit(parts: UnitParts): string {
  const body = (digest: string) =>
    [
      "[Unit]",
      `Description=${parts.description}`,
      ...parts.relations,
      "Before=kubelet.service",
      "StartLimitIntervalSec=0",
      "",
      "[Service]",
      ...parts.service,
      `Environment=${DIGEST_VARIABLE}=${digest}`,
      "Restart=always",
      "RestartSec=200ms",
      "TimeoutStopSec=5s",
      "OOMScoreAdjust=-900",
      ...parts.writable,
      `CapabilityBoundingSet=${parts.capabilities}`,
      // no LimitNOFILE= and no User=: both stop the start where a capability is missing (containers) or the account does not exist
      ...HARDENING,
      "MemoryDenyWriteExecute=yes",
      "UMask=0077",
      "",
      "[Install]",
      "WantedBy=multi-user.target",
      "",
    ].join("\n");
  return body(createHash("sha256").update(body("")).update(parts.program).digest("hex"));
}

/** Name of the digest that a unit's text carries. */
export function digestOf(unitText: string): string {
  const found = new RegExp(`^Environment=${DIGEST_VARIABLE}=([0-9a-f]{64})$`, "m").exec(unitText);
  if (found?.[1] === undefined) throw new Error("this unit carries no digest");
  return found[1];
}

/** Where systemd looks for units of the administrator. */
export const UNIT_DIR = "/etc/systemd/system";

export { LISTENER_UNIT, RULES_UNIT };
