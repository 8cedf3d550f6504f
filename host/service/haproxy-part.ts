import { HAPROXY_UNIT, HOST_RUN_DIR } from "../../names";
import { installFiles, removeFiles, type HostFile } from "../files";
import { installPackages, removePackages } from "../packages";
import { digestIn, NEED_SYSTEMD, SERVICE_FUNCTIONS } from "../services";
import { hostScript } from "../shell";
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
  type HaproxyServiceSettings,
} from "./haproxy-paths";
import { FOREIGN, FOREIGN_FUNCTIONS, TAKEOVER_FUNCTIONS } from "./takeover";
import { haproxyUnit, reloadPathUnit, reloadUnit, watchUnit } from "./haproxy-units";

export type { HaproxyServiceSettings } from "./haproxy-paths";

/** Owner of the files and packages in the host's state. */
const OWNER = "haproxy-service";

const UNIT_DIR = "/etc/systemd/system";

/** Units and programs of HAProxy; the same bytes on all hosts. */
export function haproxyServiceFiles(ports: HaproxyServiceSettings["ports"]): HostFile[] {
  const program = haproxyProgram({ script: UPDATER_SCRIPT_FILE, settings: UPDATER_SETTINGS_FILE });
  const watch = watchProgram(ports.health);
  return [
    { path: WATCH_PROGRAM, mode: "0755", content: watch },
    { path: `${UNIT_DIR}/${WATCH_UNIT}`, mode: "0644", content: watchUnit(watch) },
    { path: HAPROXY_PROGRAM, mode: "0755", content: program },
    { path: `${UNIT_DIR}/${HAPROXY_UNIT}`, mode: "0644", content: haproxyUnit([program]) },
    { path: `${UNIT_DIR}/${RELOAD_UNIT}`, mode: "0644", content: reloadUnit() },
    { path: `${UNIT_DIR}/${RELOAD_PATH_UNIT}`, mode: "0644", content: reloadPathUnit() },
  ];
}

/**
 * `hostScript` for HAProxy as a service: the package if it is missing, our units, HAProxy started and answering. It comes after
 * `updaterServiceScript`, whose program and settings write HAProxy's first configuration. When the endpoint served before, it ends only
 * when it serves again: whoever rolls a change over hosts stops at one that does not. remove leaves package, configuration and the package's unit as they were.
 */
export function haproxyServiceScript(
  settings: HaproxyServiceSettings,
  options: { readonly generation?: number } = {},
): string {
  const { address, ports, takeOver } = settings;
  const files = haproxyServiceFiles(ports);
  const digest = (unit: string) =>
    digestIn(files.find(({ path }) => path === `${UNIT_DIR}/${unit}`)?.content ?? "");
  const host = address.includes(":") ? `[${address}]` : address;
  return hostScript(
    "haproxy-service",
    {
      apply: [
        NEED_SYSTEMD,
        SERVICE_FUNCTIONS,
        FOREIGN_FUNCTIONS,
        TAKEOVER_FUNCTIONS,
        PROBES(host, ports),
        ...(takeOver ? [] : [`if cfg_foreign; then fail "${FOREIGN.what}: ${FOREIGN.hint}"; fi`]),
        "serves_before=no",
        "if endpoint_serves; then serves_before=yes; fi",
        "package_put_aside",
        installPackages(OWNER, [
          { command: "haproxy", package: "haproxy" },
          { command: "curl", package: "curl" },
        ]),
        `[ -x ${HAPROXY} ] || fail "there is no ${HAPROXY}: install HAProxy as the distribution's package"`,
        `id -u haproxy >/dev/null 2>&1 || fail "there is no user haproxy: HAProxy runs as the user that the distribution's package makes"`,
        "configuration_put_aside",
        installFiles(OWNER, files),
        "systemctl daemon-reload",
        `systemctl --quiet enable --now ${RELOAD_PATH_UNIT}`,
        `service_start ${HAPROXY_UNIT} ${digest(HAPROXY_UNIT)} haproxy_healthy`,
        `service_start ${WATCH_UNIT} ${digest(WATCH_UNIT)} haproxy_healthy`,
        `if [ "$serves_before" = yes ] && ! wait_for 60 endpoint_serves; then
  service_log ${HAPROXY_UNIT}
  fail "HAProxy runs, but the endpoint's port ${ports.lb}, which served before, has not served again within 60 s"
fi`,
        `say "HAProxy listens on ${host}:${ports.lb}, changed: $changed"`,
      ].join("\n"),
      remove: [
        SERVICE_FUNCTIONS,
        FOREIGN_FUNCTIONS,
        TAKEOVER_FUNCTIONS,
        `service_drop ${WATCH_UNIT} ${RELOAD_PATH_UNIT} ${HAPROXY_UNIT}`,
        `rm -f ${STATE_FILE} ${CHECK_TOKEN_FILE} ${HOST_RUN_DIR}/*.sock`,
        "configuration_restore",
        removePackages(OWNER),
        "package_restore",
        removeFiles(OWNER),
        "[ ! -d /run/systemd/system ] || systemctl daemon-reload",
      ].join("\n"),
    },
    options,
  );
}

/** `haproxy_healthy`, and `endpoint_serves`: an API server answers through the LB port. */
const PROBES = (host: string, ports: HaproxyServiceSettings["ports"]) => `haproxy_healthy() {
  curl --silent --fail --noproxy '*' --max-time 3 --output /dev/null "http://${host}:${ports.health}/healthz"
}
endpoint_serves() {
  curl --silent --insecure --noproxy '*' --max-time 5 --output /dev/null "https://${host}:${ports.lb}/livez/ping"
}`;
