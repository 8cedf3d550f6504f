import { CHECK_TOKEN_KEY, NO_CHECK_TOKEN } from "../../haproxy/spec";
import { HAPROXY_UNIT, HEALTH_ADDRESS } from "../../names";
import { ADDRESS_FILE } from "../own-address";
import { PROGRAM_HEADER } from "../shell";
import { CHECK_TOKEN_FILE, CONFIG_FILE, CONFIG_LINK, HAPROXY, STATE_FILE } from "./haproxy-paths";

/**
 * prepare: after the own address is known. It writes the first configuration, then checks it with HAProxy. If writing fails, HAProxy
 * starts with the last good configuration. After a crash the updater's files are still current:
 * HAProxy starts with them.
 *
 * stopped: after an orderly stop the saved health of the servers is outdated and removed.
 */
export function haproxyProgram(updater: {
  readonly script: string;
  readonly settings: string;
}): string {
  return `${PROGRAM_HEADER}
prepare() {
  read -r line <${ADDRESS_FILE}
  HOST_IP=\${line#HOST_IP=}
  export HOST_IP
  if [ ! -e ${STATE_FILE} ] || [ ! -e ${CONFIG_FILE} ]; then
    first_configuration
  elif ! ${HAPROXY} -c -q -f ${CONFIG_LINK}; then
    echo "HAProxy refuses ${CONFIG_FILE}: rewriting it from the settings and the last good backends" >&2
    first_configuration
  else
    return 0
  fi
  exec ${HAPROXY} -c -q -f ${CONFIG_LINK}
}
first_configuration() {
  node ${updater.script} prepare ${updater.settings} || {
    echo "the preparation failed: the last good configuration serves" >&2
    # a reboot removes it, and HAProxy does not start without it if its checks carry a token
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
 * Kills a HAProxy that leaves three probes of its health port unanswered; systemd restarts it. The
 * probes use the listener that only this host reaches. A HAProxy that hangs still holds its port, and no forward is behind it. Only one that has answered
 * before is killed: a slow start is not a hang.
 */
export function watchProgram(healthPort: number): string {
  return `${PROGRAM_HEADER}
failures=0
answered=no
while :; do
  sleep 1
  systemctl --quiet is-active ${HAPROXY_UNIT} || {
    failures=0 answered=no
    continue
  }
  if curl --silent --noproxy '*' --max-time 1 --output /dev/null http://${HEALTH_ADDRESS}:${healthPort}/healthz; then
    failures=0 answered=yes
  elif [ "$answered" = yes ]; then
    failures=$((failures + 1))
    echo "HAProxy does not answer on its health port ${healthPort} ($failures of 3)" >&2
    [ "$failures" -lt 3 ] || {
      systemctl kill --signal=KILL ${HAPROXY_UNIT} || :
      failures=0 answered=no
    }
  fi
done
`;
}
