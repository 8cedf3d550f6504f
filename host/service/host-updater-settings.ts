import type { HaproxySpec } from "../../haproxy/config";
import {
  haproxySpec,
  updaterSettings,
  type UpdaterChoices,
  type UpdaterSettings,
} from "../../updater/settings";
import type { OwnAddress } from "../own-address";
import { HAPROXY, servicePaths } from "./haproxy-paths";

/**
 * How the token reaches the updater: in its environment (a new token restarts it), or in a file.
 */
export type TokenDelivery = "environment" | "file";

/** The updater as a service of one host, outside the cluster. */
export interface UpdaterServiceSettings extends UpdaterChoices {
  readonly ownAddress: OwnAddress;
  /** The updater's bundled script. */
  readonly script: string;
  /** PEM of the cluster's CA: HAProxy does not start without it. */
  readonly caCert: string;
  /** The initial backends, before there is a token: `ADDRESS:PORT` by name. */
  readonly backends: Readonly<Record<string, string>>;
  /**
   * The host's own API server is one of them: its address is found when the service starts.
   * @default false
   */
  readonly ownBackend?: boolean;
  readonly token: TokenDelivery;
}

/** Environment variable with the token. */
export const TOKEN_VARIABLE = "CONTROL_PLANE_LB_TOKEN";

function haproxyPlace(lbPort: number) {
  const { caFile, runDir, stateFile } = servicePaths(lbPort);
  return {
    caFile,
    adminSocket: `${runDir}/admin.sock`,
    updaterSocket: `${runDir}/updater.sock`,
    stateFile,
  };
}

/** haproxy.cfg of a host, apart from the backends. */
export function hostHaproxySpec(haproxy: UpdaterChoices["haproxy"]): HaproxySpec {
  return haproxySpec(haproxyPlace(haproxy.port), haproxy);
}

/** settings.json: the same text on all hosts. */
export function hostUpdaterSettings(settings: UpdaterServiceSettings): UpdaterSettings {
  const { port } = settings.haproxy;
  const paths = servicePaths(port);
  return updaterSettings(
    {
      haproxy: haproxyPlace(port),
      configFile: paths.configFile,
      masterSocket: paths.masterSocket,
      lastGoodFile: `${paths.updaterDir}/last-good.json`,
      initialBackendsDir: paths.seedDir,
      ...(settings.ownBackend === true ? { ownBackend: true } : {}),
      tokenFile: paths.tokenFile,
      ...(settings.token === "environment" ? { tokenVariable: TOKEN_VARIABLE } : {}),
      apiCaFile: paths.caFile,
      // No forward serves meanwhile: HAProxy starts after one probe, and its own checks go on.
      prepareWaitSeconds: 0,
      checkCommand: [HAPROXY, "-c", "-q", "-f"],
      reloadRequestFile: paths.reloadRequest,
    },
    settings,
  );
}
