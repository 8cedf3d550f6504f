import { missingRoot } from "../../haproxy/ca";
import { describeSpec, fingerprintCa } from "../../haproxy/config";
import { openFiles } from "../../haproxy/spec";
import { UNIT_DIR, UPDATER_USER } from "../../names";
import type { HostFile } from "../files";
import { addressProgram, ownHostPort } from "../own-address";
import type { NeededPackage } from "../packages";
import type { HostPart } from "../part";
import { servicePaths, type ServicePaths } from "./haproxy-paths";
import { endpointServes } from "./haproxy-part";
import {
  hostHaproxySpec,
  hostUpdaterSettings,
  type UpdaterServiceSettings,
} from "./host-updater-settings";
import { limitsDropIn, updaterUnit } from "./updater-unit";

export type { TokenDelivery, UpdaterServiceSettings } from "./host-updater-settings";

/** Packages of the updater. */
export const UPDATER_PACKAGES: readonly NeededPackage[] = [
  { gives: "nodejs", atLeast: "18", because: "the updater's script is built for Node.js 18" },
];

/**
 * The updater as a service, with what HAProxy needs to start: CA certificate, settings, first
 * backends, shared folders; the same on all hosts. If HAProxy runs already, apply waits until it
 * runs with these settings and this CA certificate: the updater reloads it, and no connection breaks. If the endpoint
 * served before, apply waits until it serves again. Removal leaves nothing behind.
 * @throws Error when the CA certificate is an intermediate's without its root, or there is no first
 *   backend
 */
export function updaterPart(settings: UpdaterServiceSettings): HostPart {
  const { script, caCert, backends, haproxy } = settings;
  const missing = missingRoot(caCert);
  if (missing !== undefined) throw new Error(`${missing} to ca.crt of the control-plane nodes`);
  if (Object.keys(backends).length === 0 && settings.ownBackend !== true) {
    throw new Error("the updater has no first backend: HAProxy would not start");
  }
  const json = `${JSON.stringify(hostUpdaterSettings(settings), undefined, 2)}\n`;
  const paths = servicePaths(haproxy.port);
  const address = addressProgram(settings.ownAddress, paths.addressFile);
  const limit = openFiles(haproxy.maxConnections);
  const file = (path: string, content: string, mode = "0644"): HostFile => ({
    path,
    mode,
    content,
  });
  return {
    owner: paths.part("updater-service"),
    packages: UPDATER_PACKAGES,
    users: [{ name: UPDATER_USER, comment: "updater of the control-plane endpoint" }],
    folders: [
      { path: paths.runDir, mode: "0770", user: "root", group: UPDATER_USER },
      { path: paths.addressDir, mode: "0755", user: "root", group: "root" },
      { path: paths.updaterDir, mode: "0770", user: UPDATER_USER, group: UPDATER_USER },
    ],
    files: [
      file(paths.addressProgram, address, "0755"),
      file(paths.updaterScript, script),
      file(paths.updaterSettings, json),
      file(paths.caFile, caCert),
      ...Object.entries(backends).map(([name, backend]) =>
        file(`${paths.seedDir}/${name}`, `${backend}\n`),
      ),
      // here and not in HAProxy's part: a higher maxConnections needs it before the reload
      file(`${UNIT_DIR}/${paths.haproxyUnit}.d/limits.conf`, limitsDropIn(limit)),
    ],
    units: [
      {
        name: paths.updaterUnit,
        text: updaterUnit(paths, [script, json, address, caCert]),
        ready: ["updater_answers"],
      },
    ],
    steps: {
      functions: probes(paths, settings),
      prepare: `serves_before=no
if endpoint_serves; then serves_before=yes; fi`,
      beforeStart: raiseLimit(paths, limit),
      afterStart: awaitServing(paths),
    },
    summary: `updater: ${[...Object.keys(backends), ...(settings.ownBackend === true ? ["this host"] : [])].join(", ")}`,
  };
}

const awaitServing = ({
  haproxyUnit,
  updaterUnit: unit,
}: ServicePaths) => `if systemctl --quiet is-active ${haproxyUnit}; then
  if ! wait_for 60 runs_settings; then
    unit_log ${unit}
    fail "HAProxy does not run with the new settings after 60 s: the updater's last log lines are above"
  fi
  if [ "$serves_before" = yes ] && ! wait_for 60 endpoint_serves; then
    unit_log ${haproxyUnit}
    fail "HAProxy runs with the new settings, but the endpoint, which served before, has not served again within 60 s"
  fi
fi`;

function probes({ runDir, addressFile }: ServicePaths, settings: UpdaterServiceSettings): string {
  const caFingerprint = fingerprintCa(settings.caCert);
  const description = describeSpec({ ...hostHaproxySpec(settings.haproxy), caFingerprint });
  // JSON is JavaScript: it escapes the request's line ends
  const ask = (socket: string, request: string) =>
    `node -e 's=require("net").connect("${runDir}/${socket}");s.on("error",()=>process.exit(1));s.setTimeout(3000,()=>process.exit(1));s.end(${JSON.stringify(request)});s.pipe(process.stdout)'`;
  return `updater_answers() {
  ${ask("updater.sock", "GET /status HTTP/1.0\r\n\r\n")} | grep -q '"backends"'
}
runs_settings() {
  ${ask("admin.sock", "show info\n")} | grep -q '^[Dd]escription: ${description}$'
}
${ownHostPort(addressFile)}
${endpointServes(settings.haproxy.port)}`;
}

/**
 * Raises the limit of open files of a running HAProxy when maxConnections grew. On a host that
 * forbids that, HAProxy restarts, unless systemd itself has no higher limit to give: then HAProxy
 * goes on with fewer connections, which the updater reports.
 */
const raiseLimit = (
  { haproxyUnit, stateFile }: ServicePaths,
  files: number,
) => `open_files() { # pid: its hard limit
  sed -n 's/^Max open files *[0-9]* *\\([0-9]*\\) .*/\\1/p' "/proc/$1/limits" 2>/dev/null || :
}
haproxy_pid=$(unit_pid ${haproxyUnit})
haproxy_limit=$(open_files "\${haproxy_pid:-0}")
if [ "\${haproxy_limit:-${files}}" -lt ${files} ] && ! prlimit --pid "$haproxy_pid" --nofile=${files}:${files} 2>/dev/null; then
  host_limit=$(open_files 1)
  if [ "$haproxy_limit" -lt "\${host_limit:-${files}}" ]; then
    warn "restarting HAProxy: this host does not allow a higher limit of open files while it runs"
    rm -f ${stateFile}
    systemctl restart ${haproxyUnit} || warn "${haproxyUnit} did not start at once"
  fi
fi`;
