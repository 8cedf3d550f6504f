import { NAMESPACE, POD_LABELS, PRODUCT, WORKLOAD } from "../../names";
import { hardening } from "../hardening";
import { ownHostPort } from "../own-address";
import { unitPath, type HostPart } from "../part";
import { PROGRAM_HEADER } from "../shell";
import { unitText } from "../unit-text";
import { servicePaths, type ServicePaths } from "./haproxy-paths";
import { TOKEN_VARIABLE } from "./host-updater-settings";
import { awaitSync, tokenUsed, updaterStatus } from "./token-probes";

/** Settings of `tokenFetchPart`. */
export interface TokenFetchSettings {
  readonly ports: { readonly lb: number; readonly health: number; readonly api: number };
}

/** What kubeadm leaves on every control-plane node. */
const ADMIN_KUBECONFIG = "/etc/kubernetes/admin.conf";

/** Seconds for which one run of the program looks for the token. */
const FETCH_SECONDS = 120;

/** Seconds until the updater must have synced: the cluster's objects may come after the node. */
const DEADLINE_SECONDS = 600;

/**
 * The updater's token on a control-plane node to which nobody logs in; the same on all of them. It
 * comes after kubeadm, with the updater's token in its environment.
 *
 * A root unit fetches the ServiceAccount's token Secret with the highest generation and restarts the
 * updater with it. A timer repeats that, so that a rotated token arrives. apply waits until the
 * updater has synced with the token.
 */
export function tokenFetchPart({ ports }: TokenFetchSettings): HostPart {
  const paths = servicePaths(ports.lb);
  const { tokenEnvFile, configDir, libDir } = paths;
  const program = `${libDir}/fetch-token`;
  const unit = `${PRODUCT}-token-${ports.lb}`;
  const fingerprint = `$(sed 's/^${TOKEN_VARIABLE}=//' ${tokenEnvFile} | tr -d '\\n' | sha256sum | cut -c 1-12)`;
  return {
    owner: paths.part("token-fetch"),
    packages: [{ gives: "kubectl" }, { gives: "curl" }],
    files: [
      { path: program, mode: "0755", content: fetchProgram(paths, ports.api) },
      // the timer starts it
      {
        path: unitPath(`${unit}.service`),
        mode: "0644",
        content: fetchUnit(program, configDir),
      },
    ],
    units: [{ name: `${unit}.timer`, text: fetchTimer() }],
    steps: {
      functions: `${updaterStatus(ports.health)}
${tokenUsed(fingerprint)}
token_fetched() {
  systemctl start ${unit}.service || return 1
  [ -s ${tokenEnvFile} ]
}`,
      afterStart: `if ! wait_for ${DEADLINE_SECONDS - FETCH_SECONDS} token_fetched; then
  unit_log ${unit}.service
  fail "the updater's token cannot be fetched: the last log lines of ${unit}.service are above"
fi
${awaitSync(FETCH_SECONDS, paths.updaterUnit, ports.health)}`,
      afterStop: `rm -f ${tokenEnvFile} ${pendingFile(paths)} ${configDir}/.token.*`,
    },
    stepSeconds: DEADLINE_SECONDS + FETCH_SECONDS,
    summary: "the updater syncs with the token of its ServiceAccount",
  };
}

/** Its existence says that the updater has not been restarted with its new token. */
function pendingFile({ tokenEnvFile }: ServicePaths): string {
  return `${tokenEnvFile}.pending`;
}

function fetchProgram(paths: ServicePaths, apiPort: number): string {
  const { configDir, tokenEnvFile, updaterUnit } = paths;
  const [[label, value]] = Object.entries(POD_LABELS) as [[string, string]];
  const secret = `${WORKLOAD}-token`;
  return `${PROGRAM_HEADER}
umask 077
${ownHostPort(paths.addressFile)}
secrets() { # options of kubectl: prints "NAME TOKEN" of each token Secret, the token in base64
  kubectl --kubeconfig ${ADMIN_KUBECONFIG} --cache-dir /tmp/kubectl --request-timeout 10s "$@" \\
    --namespace ${NAMESPACE} get secrets --selector ${label}=${value} \\
    --output 'jsonpath={range .items[*]}{.metadata.name} {.data.token}{"\\n"}{end}'
}
newest() { # the own API server first: the endpoint leads to any
  if own=$(own_host_port ${apiPort}) && found=$(secrets --server "https://$own") || found=$(secrets); then
    printf '%s\\n' "$found" | grep '^${secret}-[0-9][0-9]* .' | sort -V | tail -n 1
  fi
}
until=$(($(date +%s) + ${FETCH_SECONDS}))
line=$(newest || :)
while [ -z "$line" ]; do
  if [ "$(date +%s)" -ge "$until" ]; then
    echo "no API server has shown a Secret ${NAMESPACE}/${secret}-N with a token within ${FETCH_SECONDS} s" >&2
    exit 1
  fi
  sleep 2
  line=$(newest || :)
done
rm -f ${configDir}/.token.*
file=$(mktemp ${configDir}/.token.XXXXXX)
printf '${TOKEN_VARIABLE}=%s\\n' "$(printf '%s' "\${line#* }" | base64 -d)" >"$file"
if cmp -s "$file" ${tokenEnvFile}; then
  rm -f "$file"
else
  : >${pendingFile(paths)}
  sync "$file"
  mv -f "$file" ${tokenEnvFile}
  echo "took the token of \${line%% *}"
fi
if [ -e ${pendingFile(paths)} ]; then
  systemctl restart ${updaterUnit}
  rm -f ${pendingFile(paths)}
fi
`;
}

/** Root, because only root may read the kubeconfig and restart the updater; no capabilities. */
function fetchUnit(program: string, configDir: string): string {
  return unitText({
    Unit: {
      Description: "Fetches the token of the control-plane endpoint's updater",
      Wants: "network-online.target",
      After: "network-online.target",
      StartLimitIntervalSec: 0,
    },
    Service: {
      Type: "oneshot",
      ExecStart: program,
      TimeoutStartSec: `${FETCH_SECONDS + 60}s`,
      ReadWritePaths: configDir,
      UMask: "0077",
      ...hardening(),
    },
  });
}

function fetchTimer(): string {
  return unitText({
    Unit: { Description: "Renews the token of the control-plane endpoint's updater" },
    Timer: { OnBootSec: "30s", OnUnitInactiveSec: "5min", RandomizedDelaySec: "30s" },
    Install: { WantedBy: "timers.target" },
  });
}
