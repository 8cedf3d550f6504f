import { hardening } from "../hardening";
import { AT_BOOT, serviceText, type UnitSection } from "../unit-text";
import {
  LISTENER_KIB_PER_CONNECTION,
  LISTENER_PROGRAM,
  listenerConnections,
  RULES_PROGRAM,
  RULES_UNIT,
  type ForwardSettings,
} from "./forward-settings";

// services that flush or reload the kernel's rules on common distributions
const FIREWALLS =
  "nftables.service firewalld.service iptables.service ip6tables.service netfilter-persistent.service ufw.service";

/**
 * The unit of the fallback listener. It starts as root and becomes UID 99 with setpriv, without any
 * capability: systemd refuses a numeric User= that has no account. `Upholds=` restarts the rules,
 * which stop together with a firewall service.
 */
export function listenerUnit(settings: ForwardSettings, program: string): string {
  const connections = listenerConnections(settings.kind);
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
      // its own limit of processes comes first; these hold if it should fail
      TasksMax: connections + 16,
      MemoryMax: `${Math.ceil((connections * LISTENER_KIB_PER_CONNECTION) / 1024)}M`,
      OOMPolicy: "continue",
    },
    capabilities: ["CAP_SETUID", "CAP_SETGID"],
    program,
  });
}

/** The unit of the rules: active before kubelet starts, restarted with each firewall service. */
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
      // legacy iptables locks a file there
      ...(settings.kind === "iptables" ? { ReadWritePaths: "/run" } : {}),
      // not the listener: a flood of its processes must not outlive everything else
      OOMScoreAdjust: -900,
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
        ...hardening({ capabilities }),
        MemoryDenyWriteExecute: "yes",
        UMask: "0077",
      },
      Install: AT_BOOT,
    },
    [program],
  );
}
