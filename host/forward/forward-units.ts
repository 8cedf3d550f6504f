import { hardening } from "../hardening";
import { AT_BOOT, serviceText, type UnitSection } from "../unit-text";
import {
  LISTENER_PROGRAM,
  RULES_PROGRAM,
  RULES_UNIT,
  type ForwardSettings,
} from "./forward-settings";

// what flushes or reloads the kernel's rules on the usual distributions
const FIREWALLS =
  "nftables.service firewalld.service iptables.service ip6tables.service netfilter-persistent.service ufw.service";

/**
 * The unit of the fallback listener. It starts as root only to become UID 99 by setpriv (systemd
 * refuses a numeric User= without an account), and holds no capability afterwards. `Upholds=`
 * restarts the rules when a stopped firewall service took them along.
 */
export function listenerUnit(settings: ForwardSettings, program: string): string {
  return unit({
    description: `Fallback listener of the control-plane endpoint (TCP ${settings.lbPort} to the API server on ${settings.apiPort})`,
    relations: {
      Wants: "network-online.target",
      After: "network-online.target",
      Upholds: RULES_UNIT,
    },
    service: {
      ExecStart: `${LISTENER_PROGRAM} run`,
      SuccessExitStatus: 143,
      // one process per connection
      TasksMax: 16384,
    },
    capabilities: ["CAP_SETUID", "CAP_SETGID"],
    program,
  });
}

/**
 * The unit of the rules: there before kubelet starts, and again whenever a firewall service
 * restarts.
 */
export function rulesUnit(settings: ForwardSettings, program: string): string {
  return unit({
    description: `Forward of the control-plane endpoint in the kernel (TCP ${settings.lbPort} to the API server on ${settings.apiPort})`,
    relations: {
      Wants: "network-online.target",
      After: `network-online.target ${FIREWALLS}`,
      PartOf: FIREWALLS,
    },
    service: {
      ExecStartPre: `${RULES_PROGRAM} put`,
      ExecStart: `${RULES_PROGRAM} watch`,
      ExecStopPost: `${RULES_PROGRAM} stopped`,
      // the lock of the legacy iptables
      ...(settings.kind === "iptables" ? { ReadWritePaths: "/run" } : {}),
    },
    capabilities: ["CAP_NET_ADMIN", "CAP_NET_RAW"],
    program,
  });
}

interface ForwardUnit {
  readonly description: string;
  readonly relations: UnitSection;
  readonly service: UnitSection;
  readonly capabilities: readonly string[];
  /** Text of the program, for the digest. */
  readonly program: string;
}

function unit({ description, relations, service, capabilities, program }: ForwardUnit): string {
  return serviceText(
    {
      Unit: {
        Description: description,
        ...relations,
        Before: "kubelet.service",
        StartLimitIntervalSec: 0,
      },
      Service: {
        ...service,
        Restart: "always",
        RestartSec: "200ms",
        TimeoutStopSec: "5s",
        OOMScoreAdjust: -900,
        ...hardening({ capabilities }),
        MemoryDenyWriteExecute: "yes",
        UMask: "0077",
      },
      Install: AT_BOOT,
    },
    [program],
  );
}
