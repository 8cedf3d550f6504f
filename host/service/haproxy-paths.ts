import { checkTokenFile } from "../../haproxy/spec";
import { PRODUCT, serviceInstance, type ServiceInstance } from "../../names";

/** HAProxy's configuration where operators look for it: a link to an instance's `configFile`. */
export const CONFIG_LINK = "/etc/haproxy/haproxy.cfg";

/** The package's HAProxy. */
export const HAPROXY = "/usr/sbin/haproxy";

/** Units, programs and files of one instance. */
export interface ServicePaths extends ServiceInstance {
  /** Names its parts, like "haproxy-service-6444". */
  readonly part: (name: string) => string;
  /** What the updater writes and HAProxy reads. */
  readonly configFile: string;
  /** Socket of HAProxy's master process. */
  readonly masterSocket: string;
  /** Health of the servers, kept across a restart. */
  readonly stateFile: string;
  /**
   * Token of the checks, if they carry one: the updater writes it, HAProxy reads it through the
   * updater's group.
   */
  readonly checkTokenFile: string;
  /** The updater writes it to request a reload, which root performs. */
  readonly reloadRequest: string;
  /** Units that turn the request into `systemctl reload`. */
  readonly reloadPathUnit: string;
  readonly reloadUnit: string;
  /** Kills a HAProxy that hangs. */
  readonly watchUnit: string;
  readonly watchProgram: string;
  /** Runs before HAProxy starts, and after it has stopped. */
  readonly haproxyProgram: string;
  /** `HOST_IP=...` of this host: `addressProgram` writes it, services and probes read it. */
  readonly addressFile: string;
  readonly addressProgram: string;
  readonly updaterScript: string;
  readonly updaterSettings: string;
  readonly caFile: string;
  /** One file per first backend. */
  readonly seedDir: string;
  /** `EnvironmentFile=` with the token; only root (systemd) reads it. */
  readonly tokenEnvFile: string;
  /** The token as a file, for root and the updater's group. */
  readonly tokenFile: string;
}

/** The instance with this LB port. */
export function servicePaths(lbPort: number): ServicePaths {
  const instance = serviceInstance(lbPort);
  const { configDir, libDir, addressDir, runDir, updaterDir } = instance;
  const stateFile = `${runDir}/server-state`;
  return {
    ...instance,
    part: (name) => `${name}-${lbPort}`,
    configFile: `${updaterDir}/haproxy.cfg`,
    masterSocket: `${runDir}/master.sock`,
    stateFile,
    checkTokenFile: checkTokenFile({ stateFile }),
    reloadRequest: `${runDir}/reload-request`,
    reloadPathUnit: `${PRODUCT}-haproxy-reload-${lbPort}.path`,
    reloadUnit: `${PRODUCT}-haproxy-reload-${lbPort}.service`,
    watchUnit: `${PRODUCT}-haproxy-watch-${lbPort}.service`,
    watchProgram: `${libDir}/haproxy-watch`,
    haproxyProgram: `${libDir}/haproxy-service`,
    addressFile: `${addressDir}/address.env`,
    addressProgram: `${libDir}/own-address`,
    updaterScript: `${libDir}/updater.js`,
    updaterSettings: `${configDir}/settings.json`,
    caFile: `${configDir}/ca.crt`,
    seedDir: `${configDir}/backends`,
    tokenEnvFile: `${configDir}/token.env`,
    tokenFile: `${configDir}/token`,
  };
}
