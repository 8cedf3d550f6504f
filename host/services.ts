import { createHash } from "node:crypto";

/** Environment variable of our services: what the running process was started with, so that a run that was cut off restarts it. */
const DIGEST_VARIABLE = "CONTROL_PLANE_LB_DIGEST";

/** The text of a unit with a digest over itself and over what it runs in its environment. */
export function unitWithDigest(lines: readonly string[], runs: readonly string[]): string {
  const text = (digest: string) =>
    `${lines.map((line) => line.replace(DIGEST_LINE, `Environment=${DIGEST_VARIABLE}=${digest}`)).join("\n")}\n`;
  const hash = createHash("sha256").update(text(""));
  for (const each of runs) hash.update(each);
  return text(hash.digest("hex"));
}

/** Stands in the lines of `unitWithDigest` where the digest comes. */
export const DIGEST_LINE = "@DIGEST@";

/** The digest that a unit's text carries. @throws when it carries none */
export function digestIn(unitText: string): string {
  const found = new RegExp(`^Environment=${DIGEST_VARIABLE}=([0-9a-f]{64})$`, "m").exec(unitText);
  if (found?.[1] === undefined) throw new Error("this unit carries no digest");
  return found[1];
}

/** Sh functions (for `hostScript`) around a service: what it runs, a start that is seen to work, a clean end. */
export const SERVICE_FUNCTIONS = `service_pid() { systemctl show --property=MainPID --value "$1"; }
service_runs() { # unit, digest: /proc says what really runs
  service_main=$(service_pid "$1")
  [ "\${service_main:-0}" != 0 ] && tr '\\0' '\\n' <"/proc/$service_main/environ" 2>/dev/null | grep -qx "${DIGEST_VARIABLE}=$2"
}
service_log() { # the last messages of a unit, for the operator
  journalctl --no-pager --quiet --unit="$1" --lines=15 >&2 || :
}
service_start() { # unit, digest, test: restarts it unless it runs what it should, then waits until it works
  systemctl --quiet enable "$1"
  if ! service_runs "$1" "$2"; then
    systemctl restart "$1" || warn "$1 did not start at once"
  fi
  if ! wait_for 60 service_ready "$@"; then
    service_log "$1"
    fail "$1 does not work after 60 s: its last messages stand above; see systemctl status $1"
  fi
}
service_ready() { service_runs "$1" "$2" && "$3"; }
service_drop() { # units
  for service_each in "$@"; do
    [ -e "/etc/systemd/system/$service_each" ] || continue
    systemctl --quiet disable --now "$service_each"
    # one that had to be killed in the end is remembered as failed
    systemctl reset-failed "$service_each" 2>/dev/null || :
  done
}`;

/** Sh: only systemd runs services. */
export const NEED_SYSTEMD =
  '[ -d /run/systemd/system ] || fail "systemd does not run this host: HAProxy and the updater are its units"';
