/** The updater's settings: what stands in settings.json beside the bundled script. Text without secrets. */
import type { HaproxySpec } from "../haproxy/config";

/** Where the backends come from: the ConfigMap, the EndpointSlice of Service default/kubernetes, or both together. */
export const DISCOVERY_MODES = ["configMap", "endpoints", "both"] as const;
export type DiscoveryMode = (typeof DISCOVERY_MODES)[number];

/** All fields are required in the file except those marked optional. `${NAME}` in localAddress is taken from the environment. */
export interface UpdaterSettings {
  /** Namespace of the ConfigMap, and of the Events. */
  readonly namespace: string;
  /** Name of the ConfigMap with the backends. */
  readonly configMap: string;
  readonly discovery: DiscoveryMode;
  readonly haproxy: HaproxySpec & { readonly updaterSocket: string };
  /** haproxy.cfg: written atomically, so its folder must be writable. */
  readonly configFile: string;
  /** Unix socket of HAProxy's master process (`haproxy -W -S`). */
  readonly masterSocket: string;
  /** JSON with the last accepted backends. */
  readonly lastGoodFile: string;
  /** Folder with one file per key: the ConfigMap as mounted volume. Need not exist. */
  readonly seedDir: string;
  /** ServiceAccount token; read again for each connection, as it is rotated while running. `prepare` needs it for checks with a token only. */
  readonly tokenFile: string;
  /** The token stands in this environment variable instead. @default tokenFile counts */
  readonly tokenVariable?: string;
  /** Certificate of the cluster's CA, for the updater's own connections. */
  readonly apiCaFile: string;
  /** Port of the API server on this host, asked first. */
  readonly apiPort: number;
  /** Name that the API servers' certificates are verified for. */
  readonly apiServerName: string;
  /** This host's address, usually `${HOST_IP}`. */
  readonly localAddress: string;
  /** A removed backend keeps its sessions for so long. */
  readonly drainSeconds: number;
  /** An API server that has left the EndpointSlice stays a backend for so long. */
  readonly retainSeconds: number;
  /** `prepare` waits so long for a first backend that answers; meanwhile the forward serves. @default 10 */
  readonly prepareWaitSeconds?: number;
  /** Checks a configuration file before it replaces the old one, e.g. `["haproxy", "-c", "-f"]` (the file's name is added). @default none, which is said in log and metric */
  readonly checkCommand?: readonly string[];
  /** A reload is asked for by writing this file: root's unit reloads HAProxy. @default the updater tells HAProxy's master process itself */
  readonly reloadRequestFile?: string;
}

/** Default of `prepareWaitSeconds`; the program's configuration does not set it. */
export const PREPARE_WAIT_SECONDS = 10;
