import { installFiles, removeFiles, type HostFile } from "../files";
import { hostScript } from "../shell";
import { REMOVE_RULES, listenerProgram, rulesProgram } from "./forward-programs";
import {
  LISTENER_PROGRAM,
  LISTENER_UNIT,
  RULES_PROGRAM,
  RULES_UNIT,
  needsRules,
  type ForwardSettings,
} from "./forward-settings";
import { DIGEST_VARIABLE, UNIT_DIR, digestOf, listenerUnit, rulesUnit } from "./forward-units";

export type { ForwardKind, ForwardSettings, OwnAddress } from "./forward-settings";

/** Owner of the files in the host's manifests. */
export const FORWARD_OWNER = "forward";

/** Seconds until a forward that does not work is a failure: ten starts of a unit that waits for its address. */
export const FORWARD_DEADLINE_SECONDS = 90;

/** One unit of the forward with the program that it runs. */
interface ForwardPart {
  readonly unit: string;
  readonly program: string;
  readonly unitText: string;
  readonly programText: string;
}

/** The rules first: while one part restarts, the other serves remote clients. */
function forwardParts(settings: ForwardSettings): ForwardPart[] {
  const rules = rulesProgram(settings);
  const listener = listenerProgram(settings);
  return [
    ...(needsRules(settings)
      ? [
          {
            unit: RULES_UNIT,
            program: RULES_PROGRAM,
            unitText: rulesUnit(settings, rules),
            programText: rules,
          },
        ]
      : []),
    {
      unit: LISTENER_UNIT,
      program: LISTENER_PROGRAM,
      unitText: listenerUnit(settings, listener),
      programText: listener,
    },
  ];
}

/** Units and scripts of the forward, byte-identical on all control-plane nodes. */
export function forwardFiles(settings: ForwardSettings): HostFile[] {
  return forwardParts(settings).flatMap(({ unit, program, unitText, programText }) => [
    { path: program, mode: "0755", content: programText },
    { path: `${UNIT_DIR}/${unit}`, mode: "0644", content: unitText },
  ]);
}

/**
 * `hostScript` that installs (apply) or takes away (remove) the forward on a host. apply ends when every part works; a part restarts
 * only if what it runs differs from what it should run. remove leaves no unit, file or rule; connections that were forwarded live on.
 */
export function forwardScript(
  settings: ForwardSettings,
  options: { readonly generation?: number } = {},
): string {
  const parts = forwardParts(settings);
  const obsolete = needsRules(settings) ? [] : [RULES_UNIT];
  return hostScript(
    "forward",
    {
      apply: [
        NEED_SYSTEMD,
        DROP_UNIT,
        ...obsolete.map((unit) => `drop_unit ${unit}`),
        ...(obsolete.length > 0 ? [REMOVE_RULES] : []),
        installFiles(FORWARD_OWNER, forwardFiles(settings)),
        "systemctl daemon-reload",
        RUN_UNIT,
        ...parts.map((part) => `run_unit ${part.unit} ${digestOf(part.unitText)} ${part.program}`),
        `say "forward: port ${settings.lbPort} to ${settings.apiPort} (${settings.kind}), changed: $changed"`,
      ].join("\n"),
      remove: [
        DROP_UNIT,
        `drop_unit ${LISTENER_UNIT}`,
        `drop_unit ${RULES_UNIT}`,
        REMOVE_RULES,
        removeFiles(FORWARD_OWNER),
        `if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl reset-failed ${LISTENER_UNIT} ${RULES_UNIT} 2>/dev/null || :
fi`,
      ].join("\n"),
    },
    options,
  );
}

const NEED_SYSTEMD = `[ -d /run/systemd/system ] || fail "systemd does not run this host: the forward is a systemd unit"`;

const DROP_UNIT = `drop_unit() {
  [ -e ${UNIT_DIR}/"$1" ] || return 0
  systemctl --quiet disable --now "$1"
}`;

// /proc/PID/environ says what really runs, also after a run that was cut off between the files and the restart
const RUN_UNIT = `unit_runs() { # unit, digest
  unit_pid=$(systemctl show --property=MainPID --value "$1")
  [ "\${unit_pid:-0}" != 0 ] && tr '\\0' '\\n' <"/proc/$unit_pid/environ" | grep -qx "${DIGEST_VARIABLE}=$2"
}
unit_works() { # unit, digest, program
  unit_runs "$1" "$2" && "$3" check
}
run_unit() { # unit, digest, program
  systemctl --quiet enable "$1"
  if ! unit_runs "$1" "$2" 2>/dev/null; then
    systemctl restart "$1" || warn "$1 did not start at once"
  fi
  if ! wait_for ${FORWARD_DEADLINE_SECONDS} unit_works "$1" "$2" "$3"; then
    "$3" check || :
    journalctl --no-pager --quiet --unit="$1" --lines=20 >&2 || :
    fail "$1 does not work after ${FORWARD_DEADLINE_SECONDS} s: its last messages stand above; see systemctl status $1"
  fi
}`;
