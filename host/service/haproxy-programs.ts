import { CHECK_TOKEN_KEY, NO_CHECK_TOKEN } from "../../haproxy/spec";
import { HEALTH_ADDRESS } from "../../names";
import { PROGRAM_HEADER } from "../shell";
import { HAPROXY, type ServicePaths } from "./haproxy-paths";

/**
 * prepare: writes the first configuration, then checks it with HAProxy. If writing fails, HAProxy
 * starts with the last good configuration. After a crash the updater's files are still current:
 * HAProxy starts with them.
 *
 * stopped: after an orderly stop the saved health of the servers is outdated and removed.
 */
export function haproxyProgram(paths: ServicePaths): string {
  const { configFile, stateFile, checkTokenFile, addressFile } = paths;
  return `${PROGRAM_HEADER}
prepare() {
  read -r line <${addressFile}
  HOST_IP=\${line#HOST_IP=}
  export HOST_IP
  if [ ! -e ${stateFile} ] || [ ! -e ${configFile} ]; then
    first_configuration
  elif ! ${HAPROXY} -c -q -f ${configFile}; then
    echo "HAProxy refuses ${configFile}: rewriting it from the settings and the last good backends" >&2
    first_configuration
  else
    return 0
  fi
  exec ${HAPROXY} -c -q -f ${configFile}
}
first_configuration() {
  node ${paths.updaterScript} prepare ${paths.updaterSettings} || {
    echo "the preparation failed: the last good configuration serves" >&2
    # a reboot removes it, and HAProxy does not start without it if its checks carry a token
    [ -e ${checkTokenFile} ] || echo "${CHECK_TOKEN_KEY} ${NO_CHECK_TOKEN}" >${checkTokenFile}
  }
}
stopped() {
  [ "\${SERVICE_RESULT:-}" != success ] || rm -f ${stateFile}
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
 * probes use the listener that only this host reaches. A HAProxy that hangs still holds its port, and
 * no forward is behind it. Only one that has answered before is killed: a slow start is not a hang.
 */
export function watchProgram(
  { haproxyUnit }: Pick<ServicePaths, "haproxyUnit">,
  healthPort: number,
): string {
  return `${PROGRAM_HEADER}
failures=0
answered=no
while :; do
  sleep 1
  systemctl --quiet is-active ${haproxyUnit} || {
    failures=0 answered=no
    continue
  }
  if curl --silent --noproxy '*' --max-time 1 --output /dev/null http://${HEALTH_ADDRESS}:${healthPort}/healthz; then
    failures=0 answered=yes
  elif [ "$answered" = yes ]; then
    failures=$((failures + 1))
    echo "HAProxy does not answer on its health port ${healthPort} ($failures of 3)" >&2
    [ "$failures" -lt 3 ] || {
      systemctl kill --signal=KILL ${haproxyUnit} || :
      failures=0 answered=no
    }
  fi
done
`;
}
