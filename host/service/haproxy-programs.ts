import { CHECK_TOKEN_KEY, NO_CHECK_TOKEN } from "../../haproxy/spec";
import { HOST_RUN_DIR } from "../../names";
import { describeOwnAddress, ownAddressFunctions } from "../own-address";
import type { OwnAddress } from "../forward/forward-settings";
import { quote } from "../shell";
import {
  ADDRESS_FILE,
  ADDRESS_PROGRAM,
  CHECK_TOKEN_FILE,
  CONFIG_FILE,
  CONFIG_LINK,
  HAPROXY,
  HAPROXY_UNIT,
  STATE_FILE,
} from "./haproxy-paths";

const HEAD = `#!/bin/sh
# Written by control-plane-lb. Changes by hand are lost.
set -eu
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH`;

/** Finds the host's own address and leaves it in ADDRESS_FILE for the services; they start anew while there is none. */
export function addressProgram(own: OwnAddress): string {
  return `${HEAD}
${ownAddressFunctions(own)}
until=$(($(date +%s) + 10))
address=$(own_address)
while [ -z "$address" ]; do
  if [ "$(date +%s)" -ge "$until" ]; then
    echo "this host has no own address yet, looked for "${quote(describeOwnAddress(own))} >&2
    exit 1
  fi
  sleep 0.2
  address=$(own_address)
done
file=$(mktemp ${HOST_RUN_DIR}/.address.XXXXXX)
printf 'HOST_IP=%s\\n' "$address" >"$file"
chmod 0644 "$file"
mv -f "$file" ${ADDRESS_FILE}
`;
}

/**
 * prepare: the first configuration, then HAProxy's own check of it. A preparation that fails is told and no more: the configuration that is
 * there is the last good one. After a crash the files are those that the updater has just kept: HAProxy is back without it.
 * stopped: after an orderly end, what was known of the servers' health counts no more.
 */
export function haproxyProgram(updater: {
  readonly script: string;
  readonly settings: string;
}): string {
  return `${HEAD}
prepare() {
  ${ADDRESS_PROGRAM}
  read -r line <${ADDRESS_FILE}
  HOST_IP=\${line#HOST_IP=}
  export HOST_IP
  if [ ! -e ${STATE_FILE} ] || [ ! -e ${CONFIG_FILE} ]; then
    first_configuration
  elif ! ${HAPROXY} -c -q -f ${CONFIG_LINK}; then
    echo "HAProxy refuses ${CONFIG_FILE}: it is written anew from the settings and the last good backends" >&2
    first_configuration
  else
    return 0
  fi
  exec ${HAPROXY} -c -q -f ${CONFIG_LINK}
}
first_configuration() {
  node ${updater.script} prepare ${updater.settings} || {
    echo "the preparation failed: the last good configuration serves" >&2
    # gone with a power cut, and a configuration whose checks carry a token does not start without it
    [ -e ${CHECK_TOKEN_FILE} ] || echo "${CHECK_TOKEN_KEY} ${NO_CHECK_TOKEN}" >${CHECK_TOKEN_FILE}
  }
}
stopped() {
  [ "\${SERVICE_RESULT:-}" != success ] || rm -f ${STATE_FILE}
}
case \${1:-} in
  prepare | stopped) "$1" ;;
  *)
    echo "got '\${1:-}', expected prepare or stopped" >&2
    exit 2
    ;;
esac
`;
}

/**
 * A HAProxy that hangs still holds its port, and no forward is behind it: three questions to its own health port without an answer, and it
 * is killed; systemd starts it again. It is asked only after it has answered once: a slow start is no hang.
 */
export function watchProgram(healthPort: number): string {
  return `${HEAD}
failures=0
answered=no
while :; do
  sleep 1
  systemctl --quiet is-active ${HAPROXY_UNIT} || {
    failures=0 answered=no
    continue
  }
  read -r line <${ADDRESS_FILE} || continue
  address=\${line#HOST_IP=}
  case $address in *:*) address="[$address]" ;; esac
  if curl --silent --noproxy '*' --max-time 1 --output /dev/null "http://$address:${healthPort}/healthz"; then
    failures=0 answered=yes
  elif [ "$answered" = yes ]; then
    failures=$((failures + 1))
    echo "HAProxy gives no answer on its health port ${healthPort} ($failures of 3)" >&2
    [ "$failures" -lt 3 ] || {
      systemctl kill --signal=KILL ${HAPROXY_UNIT} || :
      failures=0 answered=no
    }
  fi
done
`;
}
