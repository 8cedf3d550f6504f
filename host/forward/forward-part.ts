import type { HostPart } from "../part";
import { REMOVE_RULES, listenerProgram, rulesProgram } from "./forward-programs";
import {
  FORWARD_PART,
  LISTENER_PROGRAM,
  LISTENER_UNIT,
  RULES_PROGRAM,
  RULES_UNIT,
  needsRules,
  type ForwardSettings,
} from "./forward-settings";
import { listenerUnit, rulesUnit } from "./forward-units";

export type { ForwardKind, ForwardSettings } from "./forward-settings";

/**
 * Seconds until a forward that is not ready counts as failed: about nine starts of a unit that
 * waits for its address.
 */
export const FORWARD_DEADLINE_SECONDS = 90;

/**
 * The forward of a host, byte-identical on all control-plane nodes. The rules start first: while
 * one unit restarts, the other serves remote clients. Removal leaves no rule in the kernel;
 * forwarded connections survive it.
 */
export function forwardPart(settings: ForwardSettings): HostPart {
  const { kind, lbPort, apiPort, healthPort } = settings;
  const rules = rulesProgram(settings);
  const listener = listenerProgram(settings);
  const withRules = needsRules(settings);
  const deadlineSeconds = FORWARD_DEADLINE_SECONDS;
  return {
    owner: FORWARD_PART,
    // those of HAProxy's pod, which leaves no record
    ports: [lbPort, healthPort],
    files: [
      ...(withRules ? [{ path: RULES_PROGRAM, mode: "0755", content: rules }] : []),
      { path: LISTENER_PROGRAM, mode: "0755", content: listener },
    ],
    units: [
      ...(withRules
        ? [
            {
              name: RULES_UNIT,
              text: rulesUnit(settings, rules),
              ready: [RULES_PROGRAM, "check"],
              deadlineSeconds,
            },
          ]
        : []),
      {
        name: LISTENER_UNIT,
        text: listenerUnit(settings, listener),
        ready: [LISTENER_PROGRAM, "check"],
        deadlineSeconds,
      },
    ],
    steps: {
      // a rules unit that failed leaves its rules in the kernel
      ...(withRules ? {} : { discard: REMOVE_RULES }),
      afterStop: REMOVE_RULES,
    },
    summary: `forward: port ${lbPort} to ${apiPort} (${kind})`,
  };
}
