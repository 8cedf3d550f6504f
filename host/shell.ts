import { HOST_LOCK } from "../names";

/** What a host script does; both are fragments of POSIX sh, run under `set -eu` as root. */
export interface HostScript {
  /** Brings the host to the wanted state; idempotent. */
  readonly apply: string;
  /** Takes back what `apply` did; idempotent. Default: nothing to take back. */
  readonly remove?: string;
}

/** How `hostScript` wraps the fragments. */
export interface HostScriptOptions {
  /** A number that makes the text differ, so that the same script runs again. Default: none in the text. */
  readonly generation?: number;
  /** Take HOST_LOCK while the script runs. Default: true. False is for scripts that only look. */
  readonly lock?: boolean;
}

/** Seconds that a script waits for another one on the same host: longer than `kubeadm init` takes on a slow machine. */
export const LOCK_WAIT_SECONDS = 600;

/** A word for POSIX sh in single quotes: nothing in it is expanded. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * One text for the stdin of `sh -s -- apply|remove`.
 *
 * The fragments may use: `say TEXT` (stdout), `warn TEXT` (stderr), `fail TEXT` (stderr, ends with 1), `wait_for SECONDS COMMAND...`
 * (repeats the command, quietly, until it succeeds; status 1 when the time is over). Both are bodies of functions and the last line
 * calls the first of them: a text that was cut off half-way runs nothing. Commands in it read from /dev/null, never the text itself.
 *
 * @param name what messages begin with and what a waiting script names as holder of the lock, like "m1-forward"
 */
export function hostScript(
  name: string,
  parts: HostScript,
  options: HostScriptOptions = {},
): string {
  const { generation, lock = true } = options;
  return `# ${oneLine(name)}: usage: sh -s -- apply|remove${
    generation === undefined ? "" : `\n# generation ${generation}`
  }
# shellcheck disable=SC2317 # helpers that this script does not call
set -eu
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
umask 022
script_name=${quote(oneLine(name))}
${HELPERS}
${lock ? LOCK : "take_lock() { :; }"}
do_apply() {
:
${parts.apply}
}
do_remove() {
:
${parts.remove ?? ""}
}
main() {
  [ "$(id -u)" -eq 0 ] || fail "must run as root: use sudo -n sh -s"
  case "\${1:-}" in
    apply | remove) ;;
    *) fail "got '\${1:-}', expected apply or remove" ;;
  esac
  take_lock "$1"
  "do_$1"
}
main "$@" </dev/null
`;
}

function oneLine(name: string): string {
  return name.replaceAll(/\s+/g, " ");
}

const HELPERS = `say() { printf '%s\\n' "$*"; }
warn() { printf '%s: %s\\n' "$script_name" "$*" >&2; }
fail() {
  warn "$@"
  exit 1
}
wait_for() {
  wait_until=$(($(date +%s) + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$(date +%s)" -lt "$wait_until" ] || return 1
    sleep 0.2
  done
}`;

// the holder stands in a second file, because opening the lock itself for writing would empty it under its holder
const LOCK = `take_lock() {
  lock_file=${HOST_LOCK}
  mkdir -p "\${lock_file%/*}"
  exec 9>"$lock_file"
  if ! flock -n 9; then
    warn "waits up to ${LOCK_WAIT_SECONDS} s for $(cat "$lock_file.holder" 2>/dev/null || echo "another run"), which works on this host"
    flock -w ${LOCK_WAIT_SECONDS} 9 ||
      fail "gave up after ${LOCK_WAIT_SECONDS} s: $(cat "$lock_file.holder" 2>/dev/null || echo "another run") still works on this host; look at it, end it if it hangs, then run this again"
  fi
  printf '%s %s (pid %s, since %s)\\n' "$script_name" "$1" "$$" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$lock_file.holder"
}`;
