import { HAPROXY_UNIT, HEALTH_ADDRESS, HOST_RUN_DIR } from "../../names";
import { DEFAULT_ADVICE, type Advice } from "../advice";
import { OWN_HOST_PORT } from "../own-address";
import { packageNames, type NeededPackage } from "../packages";
import { unitPath, type HostPart } from "../part";
import { quote } from "../shell";
import { UPDATER_SCRIPT_FILE, UPDATER_SETTINGS_FILE } from "./host-updater-settings";
import { haproxyProgram, watchProgram } from "./haproxy-programs";
import {
  HAPROXY,
  HAPROXY_PROGRAM,
  RELOAD_PATH_UNIT,
  RELOAD_UNIT,
  CHECK_TOKEN_FILE,
  STATE_FILE,
  WATCH_PROGRAM,
  WATCH_UNIT,
} from "./haproxy-paths";
import { FOREIGN_CONFIGURATION, FOREIGN_FUNCTIONS, TAKEOVER_FUNCTIONS } from "./takeover";
import { haproxyUnit, reloadPathUnit, reloadUnit, watchUnit } from "./haproxy-units";

/** HAProxy as a service of a host, outside the cluster. */
export interface HaproxyServiceSettings {
  readonly ports: { readonly lb: number; readonly health: number };
  /** True: a foreign haproxy.cfg is set aside, and restored on removal. False: it is refused. */
  readonly takeOver: boolean;
}

/** Packages of HAProxy as a service. */
export const HAPROXY_PACKAGES: readonly NeededPackage[] = [
  {
    gives: "haproxy",
    atLeast: "2.6",
    because: "no older release is tested with the generated configuration",
  },
  { gives: "curl" },
];

/**
 * HAProxy as a service; the same on all hosts. It comes after `updaterPart`, whose program and
 * settings write HAProxy's first configuration. If the endpoint served before, apply waits until it
 * serves again: a rolling change stops at a host that does not. Removal leaves package,
 * configuration and the package's unit as they were before.
 */
export function haproxyPart(
  settings: HaproxyServiceSettings,
  { takeOver: advice }: Pick<Advice, "takeOver"> = DEFAULT_ADVICE,
): HostPart {
  const { ports, takeOver } = settings;
  const program = haproxyProgram({ script: UPDATER_SCRIPT_FILE, settings: UPDATER_SETTINGS_FILE });
  const watch = watchProgram(ports.health);
  return {
    owner: "haproxy-service",
    packages: HAPROXY_PACKAGES,
    files: [
      { path: HAPROXY_PROGRAM, mode: "0755", content: program },
      { path: WATCH_PROGRAM, mode: "0755", content: watch },
      // RELOAD_PATH_UNIT starts it
      { path: unitPath(RELOAD_UNIT), mode: "0644", content: reloadUnit() },
    ],
    units: [
      { name: RELOAD_PATH_UNIT, text: reloadPathUnit() },
      {
        name: HAPROXY_UNIT,
        text: haproxyUnit([program], [ports.lb, ports.health]),
        ready: ["haproxy_healthy"],
      },
      { name: WATCH_UNIT, text: watchUnit(watch), ready: ["haproxy_healthy"] },
    ],
    steps: {
      functions: [FOREIGN_FUNCTIONS, TAKEOVER_FUNCTIONS, USABLE, probes(ports)].join("\n"),
      check: [
        ...(takeOver
          ? []
          : [`if cfg_foreign; then fail "${FOREIGN_CONFIGURATION}: ${advice}"; fi`]),
        // installPackages completes a package that dpkg has not configured
        `if command -v haproxy >/dev/null 2>&1 && ! packages_half ${quote(packageNames("haproxy"))}; then haproxy_usable; fi`,
      ].join("\n"),
      prepare: `serves_before=no
if endpoint_serves; then serves_before=yes; fi
package_put_aside`,
      beforeStart: `haproxy_usable
configuration_put_aside`,
      afterStart: `if [ "$serves_before" = yes ] && ! wait_for 60 endpoint_serves; then
  unit_log ${HAPROXY_UNIT}
  fail "HAProxy runs, but the endpoint's port ${ports.lb}, which served before, has not served again within 60 s"
fi`,
      afterStop: `rm -f ${STATE_FILE} ${CHECK_TOKEN_FILE} ${HOST_RUN_DIR}/*.sock
configuration_restore`,
      afterRemove: "package_restore",
    },
    summary: `HAProxy listens on port ${ports.lb}`,
  };
}

const USABLE = `haproxy_usable() {
  [ -x ${HAPROXY} ] || fail "there is no ${HAPROXY}: install the distribution's HAProxy package"
  id -u haproxy >/dev/null 2>&1 || fail "there is no user haproxy: install the distribution's HAProxy package, which creates it"
}`;

/** `haproxy_healthy`, and `endpoint_serves`: an API server answers through the LB port. */
const probes = (ports: HaproxyServiceSettings["ports"]) => `${OWN_HOST_PORT}
haproxy_healthy() {
  curl --silent --fail --noproxy '*' --max-time 3 --output /dev/null http://${HEALTH_ADDRESS}:${ports.health}/healthz
}
${endpointServes(ports.lb)}`;

/**
 * Sh function `endpoint_serves` (after OWN_HOST_PORT): does an API server answer through the LB
 * port?
 */
export function endpointServes(lbPort: number): string {
  return `endpoint_serves() {
  command -v curl >/dev/null 2>&1 && target=$(own_host_port ${lbPort}) &&
    curl --silent --insecure --noproxy '*' --max-time 5 --output /dev/null "https://$target/livez/ping"
}`;
}
