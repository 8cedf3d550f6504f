import { fingerprintSpec } from "../../haproxy/config";
import { HAPROXY_UNIT, HOST_RUN_DIR, HOST_UPDATER_DIR, PRODUCT, UPDATER_UNIT } from "../../names";
import { installFiles, removeFiles, type HostFile } from "../files";
import { addressProgram } from "./haproxy-programs";
import { openFiles } from "../../haproxy/spec";
import { ADDRESS_PROGRAM } from "./haproxy-paths";
import { sharedFolders } from "./haproxy-units";
import { installPackages, removePackages } from "../packages";
import { digestIn, NEED_SYSTEMD, SERVICE_FUNCTIONS } from "../services";
import { hostScript } from "../shell";
import {
  CA_FILE,
  hostHaproxySpec,
  hostUpdaterSettings,
  SEED_DIR,
  UPDATER_SCRIPT_FILE,
  UPDATER_SETTINGS_FILE,
  type UpdaterServiceSettings,
} from "./host-updater-settings";
import { limitsDropIn, updaterUnit } from "./updater-unit";
import { dropUser, makeUser } from "./system-user";

export { tokenScript, type TokenSettings } from "./token-part";
export type { TokenDelivery, UpdaterServiceSettings } from "./host-updater-settings";

/** Owner of the files and packages in the host's state. */
const OWNER = "updater-service";

const UNIT_DIR = "/etc/systemd/system";
const FOLDERS_FILE = `/etc/tmpfiles.d/${PRODUCT}.conf`;

/** Node.js of this version or later runs the updater. */
const NODE_MAJOR = 18;

/** Everything that the updater is on a host; the same bytes on all hosts. */
export function updaterServiceFiles(settings: UpdaterServiceSettings): HostFile[] {
  const json = `${JSON.stringify(hostUpdaterSettings(settings), undefined, 2)}\n`;
  const address = addressProgram(settings.ownAddress);
  const file = (path: string, content: string, mode = "0644"): HostFile => ({
    path,
    mode,
    content,
  });
  return [
    file(FOLDERS_FILE, sharedFolders()),
    file(ADDRESS_PROGRAM, address, "0755"),
    file(UPDATER_SCRIPT_FILE, settings.script),
    file(UPDATER_SETTINGS_FILE, json),
    file(CA_FILE, settings.caCert),
    ...Object.entries(settings.backends).map(([name, backend]) =>
      file(`${SEED_DIR}/${name}`, `${backend}\n`),
    ),
    file(
      `${UNIT_DIR}/${HAPROXY_UNIT}.d/limits.conf`,
      limitsDropIn(openFiles(settings.haproxy.maxConnections)),
    ),
    file(
      `${UNIT_DIR}/${UPDATER_UNIT}`,
      updaterUnit([settings.script, json, address, settings.caCert]),
    ),
  ];
}

/**
 * `hostScript` for the updater as a service: Node.js if it is missing, its user, script, settings, CA certificate and first backends. Where HAProxy
 * runs already, it ends only when HAProxy runs with these settings (the updater reloads it: no connection breaks) and, if the endpoint served before, serves.
 * remove leaves nothing of it.
 */
export function updaterServiceScript(
  settings: UpdaterServiceSettings,
  options: { readonly generation?: number } = {},
): string {
  const files = updaterServiceFiles(settings);
  const unit = files.find(({ path }) => path.endsWith(UPDATER_UNIT))?.content ?? "";
  return hostScript(
    "updater-service",
    {
      apply: [
        NEED_SYSTEMD,
        SERVICE_FUNCTIONS,
        probes(settings),
        installPackages(OWNER, [{ command: "node", package: "nodejs" }]),
        `node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= ${NODE_MAJOR} ? 0 : 1)' ||
  fail "Node.js here is $(node --version), the updater needs ${NODE_MAJOR} or later: install it"`,
        makeUser(),
        "serves_before=no",
        "if endpoint_serves; then serves_before=yes; fi",
        installFiles(OWNER, files),
        `systemd-tmpfiles --create ${FOLDERS_FILE}`,
        "systemctl daemon-reload",
        RAISE_LIMIT(openFiles(settings.haproxy.maxConnections)),
        `service_start ${UPDATER_UNIT} ${digestIn(unit)} updater_answers`,
        `if systemctl --quiet is-active ${HAPROXY_UNIT}; then
  if ! wait_for 60 runs_settings; then
    service_log ${UPDATER_UNIT}
    fail "HAProxy does not run with the new settings after 60 s: the former ones serve; the updater's last messages stand above"
  fi
  if [ "$serves_before" = yes ] && ! wait_for 60 endpoint_serves; then
    service_log ${HAPROXY_UNIT}
    fail "HAProxy runs with the new settings, but the endpoint, which served before, has not served again within 60 s"
  fi
fi`,
        `say "updater: ${Object.keys(settings.backends).join(", ")}, changed: $changed"`,
      ].join("\n"),
      remove: [
        SERVICE_FUNCTIONS,
        `service_drop ${UPDATER_UNIT}`,
        `rm -rf ${HOST_RUN_DIR} ${HOST_UPDATER_DIR}`,
        dropUser(),
        removePackages(OWNER),
        removeFiles(OWNER),
        "[ ! -d /run/systemd/system ] || systemctl daemon-reload",
      ].join("\n"),
    },
    options,
  );
}

function probes({ address, haproxy }: UpdaterServiceSettings): string {
  const host = address.includes(":") ? `[${address}]` : address;
  const spec = fingerprintSpec(hostHaproxySpec(haproxy));
  // JSON is JavaScript: the question stands in the program, with its line ends written out
  const ask = (socket: string, question: string) =>
    `node -e 's=require("net").connect("${HOST_RUN_DIR}/${socket}");s.on("error",()=>process.exit(1));s.setTimeout(3000,()=>process.exit(1));s.end(${JSON.stringify(question)});s.pipe(process.stdout)'`;
  return `updater_answers() {
  ${ask("updater.sock", "GET /status HTTP/1.0\r\n\r\n")} | grep -q '"backends"'
}
runs_settings() {
  ${ask("admin.sock", "show info\n")} | grep -q '^[Dd]escription: spec-${spec}$'
}
endpoint_serves() {
  command -v curl >/dev/null 2>&1 &&
    curl --silent --insecure --noproxy '*' --max-time 5 --output /dev/null "https://${host}:${haproxy.port}/livez/ping"
}`;
}

/** More connections than HAProxy's process was started for: its limit is raised where it runs; where that is not allowed it starts anew. */
const RAISE_LIMIT = (files: number) => `haproxy_pid=$(service_pid ${HAPROXY_UNIT})
haproxy_limit=$(sed -n 's/^Max open files *[0-9]* *\\([0-9]*\\) .*/\\1/p' "/proc/\${haproxy_pid:-0}/limits" 2>/dev/null || :)
if [ "\${haproxy_limit:-${files}}" -lt ${files} ] && ! prlimit --pid "$haproxy_pid" --nofile=${files}:${files} 2>/dev/null; then
  warn "HAProxy starts anew: this host does not let its limit of open files be raised while it runs"
  rm -f ${HOST_RUN_DIR}/server-state
  systemctl restart ${HAPROXY_UNIT} || warn "${HAPROXY_UNIT} did not start at once"
fi`;
