/**
 * Entry point of HAProxy's container in the variant `mounted`: loads a changed haproxy.cfg without
 * an updater. Its policy for refused files and failed reloads is that of
 * updater/apply/config-files.ts and updater/apply/reloader.ts. Pure.
 */
import { HAPROXY_CONFIG_KEY, LAST_LINE } from "../haproxy/mounted";

/** Paths in the container. */
export interface MountedPaths {
  /** The mounted ConfigMap: kubelet swaps its link `..data` on a change. */
  readonly mounted: string;
  /** The last good configuration: on disk, in a folder that only HAProxy writes. */
  readonly configFile: string;
  /** `server-state-file` of the configuration. */
  readonly stateFile: string;
  /** `stats socket` of the configuration. */
  readonly adminSocket: string;
  /** `ca-file` of the configuration: kubelet replaces it when the cluster's CA changes. */
  readonly caFile: string;
}

/** A refused file is checked again after this: the reason may have been the node's. */
const RETRY_SECONDS = 60;

/**
 * POSIX sh, pid 1 of the container: starts HAProxy and loads changes of the ConfigMap.
 *
 * It loads a file only if it is whole (LAST_LINE) and `haproxy -c` accepts it; the file becomes the
 * last good one before HAProxy reads it. Any other file is refused with one line on stderr per
 * change, and the last good one stays, also for a restart. Other CA certificates are loaded likewise,
 * as HAProxy reads them only when it starts or reloads. SIGUSR1 and SIGTERM are passed on to
 * HAProxy; the script ends with HAProxy and its exit code.
 */
export function mountedScript(paths: MountedPaths): string {
  return `# shellcheck disable=SC2317,SC2034 # functions that only traps call, counters
set -eu
mounted=${paths.mounted}
config=${paths.configFile}
state=${paths.stateFile}
socket=${paths.adminSocket}
ca=${paths.caFile}
new=\${config%/*}/.\${config##*/}.new
former=\${config%/*}/.\${config##*/}.former
unloadable=\${config%/*}/.\${config##*/}.unloadable
no_start="HAProxy does not start with it: see its own messages"
haproxy=
watcher=
stopped=
refused=
ca_refused=
say() { printf 'control-plane-lb: %s\\n' "$*" >&2; }
version() { readlink "$mounted/..data" || :; }
ca_version() { if [ -s "$ca" ]; then sha256sum <"$ca"; fi; } # empty: HAProxy keeps what it has in memory
same() { [ -e "$1" ] && [ -e "$2" ] && [ "$(cat "$1")" = "$(cat "$2")" ]; }
reason() { # why this file must not be loaded; empty if it may
  if same "$1" "$unloadable"; then
    echo "$no_start"
  elif [ ! -s "$1" ]; then
    echo "it is empty, or cannot be read or copied"
  elif [ "$(tail -n 1 "$1")" != ${quoted(LAST_LINE)} ]; then
    echo "it is not whole: its last line is not ${LAST_LINE}"
  elif said=$(haproxy -c -f "$1" 2>&1); then
    :
  else
    code=$?
    said=$(printf '%s\\n' "$said" | sed -n 's/^\\[ALERT\\][^:]*: *//p' | tr '\\n' ' ' | cut -c 1-1000)
    echo "haproxy -c ends with $code: $said"
  fi
}
take() { # 0: the mounted file has become the last good one
  cp "$mounted/${HAPROXY_CONFIG_KEY}" "$new" 2>/dev/null || : >"$new"
  if same "$new" "$config"; then
    refused=
    return 1
  fi
  why=$(reason "$new")
  if [ -z "$why" ]; then
    refused=
    [ ! -e "$config" ] || cp "$config" "$former" || rm -f "$former"
    if sync "$new" && mv "$new" "$config" && sync "\${config%/*}"; then return 0; fi
    why="it cannot be kept as $config"
  fi
  refuse "$why"
  return 1
}
refuse() { # prints each reason once
  [ "$1" = "$refused" ] || say "the key ${HAPROXY_CONFIG_KEY} is refused, the last good configuration stays: $1"
  refused=$1
}
give_back() { # the next start must find a file that HAProxy starts with
  [ -e "$former" ] || return 0
  mv "$config" "$unloadable" || :
  mv "$former" "$config" || :
  refuse "$no_start"
}
keep_health() { # servers keep their state over a reload; needs perl, as Debian's images have it
  command -v perl >/dev/null &&
    perl -MIO::Socket::UNIX -e 'alarm 5; my $s = IO::Socket::UNIX->new(Peer => shift) or exit 1; print $s "show servers state\\n"; print while <$s>;' "$socket" >"$state.new" 2>/dev/null &&
    mv "$state.new" "$state"
}
forget_health() { echo 1 >"$state"; }
workers() { cat "/proc/$haproxy/task/$haproxy/children" 2>/dev/null || :; }
new_worker() { # is there a new one, and does it stay
  for pid in $(workers); do
    case " $before " in
      *" $pid "*) ;;
      *)
        sleep 1
        [ ! -d "/proc/$pid" ] || return 0
        ;;
    esac
  done
  return 1
}
reload() { # 0: a new worker has come, or this kernel does not show it
  before=$(workers)
  if [ -z "$before" ]; then
    kill -s USR2 "$haproxy" || :
    return 0
  fi
  for attempt in 1 2; do # a master process that is just starting loses a signal
    kill -s USR2 "$haproxy" || :
    for second in 1 2 3 4 5 6 7 8 9 10; do
      sleep 1
      if new_worker; then return 0; fi
    done
  done
  return 1
}
load() { # $1: what has changed
  ca_now=$(ca_version)
  if keep_health; then health=; else
    forget_health || :
    health="; all servers count as up until their first check"
  fi
  if reload; then
    rm -f "$former"
    ca_loaded=$ca_now ca_refused=
    say "loaded the changed $1$health"
  else
    give_back
    return 1
  fi
}
load_ca() { # the same file with other CA certificates
  if haproxy -c -f "$config" >/dev/null && load "CA certificates"; then return 0; fi
  [ "$ca_refused" = "$ca_now" ] || say "the changed CA certificates are refused, HAProxy keeps the former ones: see its own messages"
  ca_refused=$ca_now
}
due() { # a change, or a refusal that is some time ago
  [ "$now" = "$seen" ] || return 0
  case "$ca_now" in
    '' | "$ca_loaded" | "$ca_refused") ;;
    *) return 0 ;;
  esac
  [ -n "$refused$ca_refused" ] && [ $((seconds % ${RETRY_SECONDS})) -eq 0 ]
}
watch() {
  seconds=0
  while :; do
    sleep 1 || :
    [ -S "$socket" ] || continue
    # HAProxy runs: the former file is no longer needed
    [ "$seconds" -ne 0 ] || rm -f "$former"
    seconds=$((seconds + 1))
    now=$(version)
    ca_now=$(ca_version)
    due || continue
    [ "$now" = "$seen" ] || refused=
    seen=$now
    if take; then
      load ${HAPROXY_CONFIG_KEY} || :
    elif [ -n "$ca_now" ] && [ "$ca_now" != "$ca_loaded" ]; then
      load_ca
    fi
  done
}
stop() { # a stopping HAProxy must not be reloaded
  stopped=$1
  [ -n "$haproxy" ] || exit 0
  [ -z "$watcher" ] || kill "$watcher" 2>/dev/null || :
  # again each second: a master process that is just starting loses a signal
  while kill -s "$1" "$haproxy" 2>/dev/null; do sleep 1; done &
}
main() {
  trap 'stop USR1' USR1
  trap 'stop TERM' TERM INT
  # left by an earlier container of the pod: its servers' health is old
  rm -f "$socket"
  forget_health
  seen=$(version)
  ca_loaded=$(ca_version)
  if take; then taken=yes; else taken=; fi
  if [ ! -s "$config" ]; then
    say "there is no good configuration to start with: see the key ${HAPROXY_CONFIG_KEY} of the ConfigMap"
    exit 1
  fi
  haproxy -W -db -f "$config" &
  haproxy=$!
  watch &
  watcher=$!
  [ -z "$stopped" ] || stop "$stopped"
  # a signal ends wait, too
  while wait "$haproxy" && status=0 || status=$?; kill -0 "$haproxy" 2>/dev/null; do :; done
  kill "$watcher" 2>/dev/null || :
  # 1: HAProxy could not start
  if [ -n "$taken" ] && [ "$status" -eq 1 ] && [ -z "$stopped" ]; then give_back; fi
  exit "$status"
}
main
`;
}

function quoted(text: string): string {
  return `'${text}'`;
}
