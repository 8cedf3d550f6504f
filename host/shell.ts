import { HOST_LOCK, PRODUCT } from "../names";
import { claimFunctions, releaseFunctions, type RecordedPart } from "./holders";

/** What a host script does; both are fragments of POSIX sh, run under `set -eu` as root. */
export interface HostScript {
  /** Brings the host to the desired state; idempotent. */
  readonly apply: string;
  /** Undoes `apply`; idempotent. Default: nothing to undo. */
  readonly remove?: string;
}

/** How `hostScript` wraps the fragments. */
export interface HostScriptOptions {
  /** A number in the text: raising it runs an otherwise equal script again. Default: none */
  readonly generation?: number;
  /** Take HOST_LOCK while the script runs. Default: true. False is for scripts that only read. */
  readonly lock?: boolean;
  /**
   * What `apply` installs: recorded on the host with the stack and node that install it. Only they
   * remove it. Default: no record
   */
  readonly part?: RecordedPart;
}

/**
 * Seconds that a script waits for another one on the host: longer than `kubeadm init` on a slow
 * machine.
 */
export const LOCK_WAIT_SECONDS = 600;

/** A word for POSIX sh in single quotes: nothing in it is expanded. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Words for POSIX sh as one command, each quoted where it must be. */
export function quoteWords(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+:,./-]+$/.test(word) ? word : quote(word))).join(" ");
}

/** Where commands of a host are; systems with a read-only /usr have kubeadm in /opt/bin. */
export const HOST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin";

const ENVIRONMENT = `set -eu
LC_ALL=C
PATH=${HOST_PATH}
export LC_ALL PATH`;

/** First lines of every program that a unit runs on a host. */
export const PROGRAM_HEADER = `#!/bin/sh
# Written by ${PRODUCT}. Changes by hand are lost.
${ENVIRONMENT}`;

/**
 * One text for the stdin of `sh -s -- apply|remove STACK NODE [WORD]`: for whom it runs, and `$1` for
 * the fragments.
 *
 * The fragments may use `say TEXT` (stdout), `warn TEXT` (stderr), `fail TEXT` (stderr, exit code
 * 1) and `wait_for SECONDS COMMAND...` (repeats the command quietly until it succeeds; status 1
 * after the deadline). A truncated text runs nothing: the fragments are bodies of functions, and
 * the last line calls them. Commands read from /dev/null, never from the text.
 *
 * With a part, `apply` is refused where another stack holds it, and calls `part_claim` before its
 * first change.
 *
 * @param name begins all messages and names the holder of the lock, like "forward"
 */
export function hostScript(
  name: string,
  { apply, remove = "" }: HostScript,
  options: HostScriptOptions = {},
): string {
  const { part, lock = true } = options;
  const scripts =
    part === undefined
      ? [functionOf("do_apply", apply), functionOf("do_remove", remove)]
      : [
          claimFunctions(part, removalScript(name, remove, options)),
          functionOf("do_apply", `part_refuse_others\n${apply}`),
          // a script of its own, which stays on the host: it takes the lock itself
          functionOf("do_remove", 'part_removal | sh -s -- remove "$holder_stack" "$holder_node"'),
        ];
  const locked = part === undefined ? "take_lock" : '[ "$1" = remove ] || take_lock';
  return frame(name, "-s -- apply|remove STACK NODE", options, [
    lock ? LOCK : "take_lock() { :; }",
    ...scripts,
    `main() {
  begin "$@"
  case "\${1:-}" in
    apply | remove) ;;
    *) fail "got '\${1:-}', expected apply or remove" ;;
  esac
  ${locked} "$1"
  "do_$1" "\${4:-}"
}`,
  ]);
}

/** The script that takes a part away; operators start it without arguments. */
function removalScript(name: string, remove: string, options: HostScriptOptions): string {
  const { part, lock = true } = options;
  // the same text for every generation and way of installation: it stays on the host
  return frame(name, "remove STACK NODE, or nothing for any holder", {}, [
    lock ? LOCK : "take_lock() { :; }",
    releaseFunctions(part?.name ?? name),
    functionOf("do_remove", remove),
    `main() {
  begin "$@"
  take_lock remove
  part_leaves || return 0
  do_remove
  part_forget
}`,
  ]);
}

function functionOf(name: string, body: string): string {
  return `${name}() {\n:\n${body}\n}`;
}

function frame(
  name: string,
  usage: string,
  { generation }: HostScriptOptions,
  functions: readonly string[],
): string {
  return `# ${oneLine(name)}: usage: sh ${usage}${
    generation === undefined ? "" : `\n# generation ${generation}`
  }
# shellcheck disable=SC2317 # helpers that this script does not call
${ENVIRONMENT}
umask 022
script_name=${quote(oneLine(name))}
${HELPERS}
${functions.join("\n")}
main "$@" </dev/null
`;
}

function oneLine(name: string): string {
  return name.replaceAll(/\s+/g, " ");
}

const HELPERS = `begin() { # the script's arguments: the verb, and for whom it runs
  [ "$(id -u)" -eq 0 ] || fail "must run as root: use sudo -n sh -s"
  # shellcheck disable=SC2034 # not every script needs them
  holder_stack=\${2:-} holder_node=\${3:-}
}
say() { printf '%s\\n' "$*"; }
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

// the holder's name is in a second file: opening the lock file for writing empties it
const LOCK = `take_lock() {
  lock_file=${HOST_LOCK}
  # not in /run/lock: any user could hold a file there
  lock_folder=\${lock_file%/*}
  mkdir -m 0700 "$lock_folder" 2>/dev/null || [ "$(stat -c '%F %u' "$lock_folder" 2>&1)" = "directory 0" ] ||
    fail "$lock_folder is not a folder of root: move it away, then run this again"
  chmod 0700 "$lock_folder"
  exec 9>"$lock_file"
  if ! flock -n 9; then
    warn "waiting up to ${LOCK_WAIT_SECONDS} s for $(cat "$lock_file.holder" 2>/dev/null || echo "another run"), which holds this host's lock"
    flock -w ${LOCK_WAIT_SECONDS} 9 ||
      fail "gave up after ${LOCK_WAIT_SECONDS} s: $(cat "$lock_file.holder" 2>/dev/null || echo "another run") still holds this host's lock; end it if it hangs, then run this again"
  fi
  printf '%s %s (pid %s, since %s)\\n' "$script_name" "$1" "$$" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$lock_file.holder"
}`;
