import { HEALTH_ADDRESS } from "../../names";
import { DEFAULT_ADVICE, type Advice } from "../advice";
import { ownHostPort } from "../own-address";
import { packageNames, type NeededPackage } from "../packages";
import { unitPath, type HostPart } from "../part";
import { quote } from "../shell";
import { haproxyProgram, watchProgram } from "./haproxy-programs";
import { HAPROXY, servicePaths, type ServicePaths } from "./haproxy-paths";
import { FOREIGN_CONFIGURATION, FOREIGN_FUNCTIONS, takeoverFunctions } from "./takeover";
import { haproxyUnit, reloadPathUnit, reloadUnit, watchUnit } from "./haproxy-units";

/** HAProxy as a service of a host, outside the cluster. */
export interface HaproxyServiceSettings {
  readonly ports: { readonly lb: number; readonly health: number };
  /** True: a foreign haproxy.cfg is set aside, and restored on removal. False: it is refused. */
  readonly takeOver: boolean;
}

/** Name of the part, without its instance. */
export const HAPROXY_PART = "haproxy-service";

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
  const paths = servicePaths(ports.lb);
  const part = paths.part(HAPROXY_PART);
  const program = haproxyProgram(paths);
  const watch = watchProgram(paths, ports.health);
  return {
    owner: part,
    ports: [ports.lb, ports.health],
    packages: HAPROXY_PACKAGES,
    files: [
      { path: paths.haproxyProgram, mode: "0755", content: program },
      { path: paths.watchProgram, mode: "0755", content: watch },
      // the path unit starts it
      { path: unitPath(paths.reloadUnit), mode: "0644", content: reloadUnit(paths) },
    ],
    units: [
      { name: paths.reloadPathUnit, text: reloadPathUnit(paths) },
      {
        name: paths.haproxyUnit,
        text: haproxyUnit(paths, [program], [ports.lb, ports.health]),
        ready: ["haproxy_healthy"],
      },
      { name: paths.watchUnit, text: watchUnit(paths, watch), ready: ["haproxy_healthy"] },
    ],
    steps: {
      functions: [
        FOREIGN_FUNCTIONS,
        takeoverFunctions(paths, part),
        USABLE,
        probes(paths, ports),
      ].join("\n"),
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
  unit_log ${paths.haproxyUnit}
  fail "HAProxy runs, but the endpoint's port ${ports.lb}, which served before, has not served again within 60 s"
fi`,
      afterStop: `rm -f ${paths.stateFile} ${paths.checkTokenFile} ${paths.runDir}/*.sock
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
const probes = (
  { addressFile }: ServicePaths,
  ports: HaproxyServiceSettings["ports"],
) => `${ownHostPort(addressFile)}
haproxy_healthy() {
  curl --silent --fail --noproxy '*' --max-time 3 --output /dev/null http://${HEALTH_ADDRESS}:${ports.health}/healthz
}
${endpointServes(ports.lb)}`;

/**
 * Sh function `endpoint_serves` (after `ownHostPort`): does an API server answer through the LB
 * port?
 */
export function endpointServes(lbPort: number): string {
  return `endpoint_serves() {
  command -v curl >/dev/null 2>&1 && target=$(own_host_port ${lbPort}) &&
    curl --silent --insecure --noproxy '*' --max-time 5 --output /dev/null "https://$target/livez/ping"
}`;
}
