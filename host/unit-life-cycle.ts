import { HOST_STATE_DIR, UNIT_DIR } from "../names";
import { DIGEST_VARIABLE } from "./unit-text";

/** Sh (for `hostScript`): fails where systemd does not run the host. */
export const NEED_SYSTEMD =
  '[ -d /run/systemd/system ] || fail "systemd does not run this host: use a host with systemd"';

/**
 * Sh functions (for `hostScript`) that start a unit until it is ready, and stop it cleanly.
 *
 * /proc/PID/environ shows what really runs, also after a run that ended between the files and the
 * restart.
 */
export const UNIT_FUNCTIONS = `unit_pid() { systemctl show --property=MainPID --value "$1"; }
unit_runs() { # unit, digest
  unit_main=$(unit_pid "$1")
  [ "\${unit_main:-0}" != 0 ] && tr '\\0' '\\n' 2>/dev/null <"/proc/$unit_main/environ" | grep -qx "${DIGEST_VARIABLE}=$2"
}
unit_log() { # the last messages of a unit, for the operator
  journalctl --no-pager --quiet --unit="$1" --lines=20 >&2 || :
}
unit_ready() { # unit, digest or nothing, seconds, test
  [ -z "$2" ] || unit_runs "$1" "$2" || return 1
  shift 3
  "$@"
}
unit_await() { # unit, digest or nothing, seconds, test: waits until it is ready
  if ! wait_for "$3" unit_ready "$@"; then
    unit_name=$1 unit_seconds=$3
    shift 3
    "$@" || :
    unit_log "$unit_name"
    fail "$unit_name is not ready after $unit_seconds s: its last log lines are above; see systemctl status $unit_name"
  fi
}
unit_start() { # unit, digest, seconds, test: restarts it unless it is current, then waits until it is ready
  systemctl --quiet enable "$1"
  if ! unit_runs "$1" "$2" 2>/dev/null; then
    systemctl restart "$1" || warn "$1 did not start at once"
  fi
  unit_await "$@"
}
unit_enable() { # unit without a process of its own: restarts it when its text changed
  case $changed_files in
    *" ${UNIT_DIR}/$1 "*)
      systemctl --quiet enable "$1"
      systemctl restart "$1"
      ;;
    *) systemctl --quiet enable --now "$1" ;;
  esac
}
unit_drop() { # units
  for unit_each in "$@"; do
    [ -e ${UNIT_DIR}/"$unit_each" ] || continue
    systemctl --quiet disable --now "$unit_each"
    # systemd remembers a unit that it had to kill as failed
    systemctl reset-failed "$unit_each" 2>/dev/null || :
  done
}
unit_end() { # unit, for good: another one may start it again (Upholds=) until it is masked
  unit_drop "$1"
  [ -e ${UNIT_DIR}/"$1" ] || return 0
  ln -sfT /dev/null ${UNIT_DIR}/.control-plane-lb.masked
  mv -fT ${UNIT_DIR}/.control-plane-lb.masked ${UNIT_DIR}/"$1"
  systemctl daemon-reload
  unit_drop "$1"
}
unit_retire() { # owner, units: stops what the owner's manifest lists besides them
  unit_manifest=${HOST_STATE_DIR}/manifests/$1
  [ -e "$unit_manifest" ] || return 0
  while read -r _ _ unit_path; do
    unit_old=\${unit_path#${UNIT_DIR}/}
    case $unit_old in
      */*) continue ;;
    esac
    case " $* " in
      *" $unit_old "*) ;;
      *) unit_end "$unit_old" </dev/null ;;
    esac
  done <"$unit_manifest"
}
units_reload() {
  [ ! -d /run/systemd/system ] || systemctl daemon-reload
}`;
