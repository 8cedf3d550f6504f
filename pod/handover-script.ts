import { PRE_STOP_HANDOVER } from "../names";

/**
 * POSIX sh for the preStop hook of HAProxy's container: the forward's rules see its connection and
 * take over; see PRE_STOP_HANDOVER. Kubelet runs it beside HAProxy, so a hung one does not matter.
 *
 * The images of HAProxy differ in what can open a connection: Debian's have bash, Alpine's busybox.
 * All that there is may try, for the connection is refused at once. The exit code is always 0.
 */
export function handoverScript(): string {
  const { address, port, waitSeconds } = PRE_STOP_HANDOVER;
  return `try() { # program, its arguments; in the background, where a firewall may swallow packets
  command -v "$1" >/dev/null 2>&1 || return 0
  found=yes
  "$@" >/dev/null 2>&1 </dev/null &
}
found=
try bash -c 'exec 3<>/dev/tcp/${address}/${port}'
try nc -w 1 ${address} ${port}
try wget -q -T 1 -O /dev/null http://${address}:${port}/
[ -n "$found" ] || echo "control-plane-lb: this image has no bash, nc or wget: no handover before the stop" >&2
sleep ${waitSeconds} 2>/dev/null || sleep ${Math.ceil(waitSeconds)}
`;
}
