/** The updater's settings: the text of settings.json beside the bundled script. No secrets. */
import type { HaproxySpec } from "../haproxy/config";
import { API_SERVER_NAME } from "../haproxy/spec";
import { BACKENDS_CONFIG_MAP, NAMESPACE } from "../names";

/** Sources of the backends: the ConfigMap, the EndpointSlice default/kubernetes, or both. */
export const DISCOVERY_MODES = ["configMap", "endpoints", "both"] as const;
export type DiscoveryMode = (typeof DISCOVERY_MODES)[number];

/** What operators choose under `updater`, and the updater itself uses. */
export interface UpdaterTuning {
  /** A removed backend keeps its sessions for this long. */
  readonly drainSeconds: number;
  /** An API server that has left the EndpointSlice stays a backend for this long. */
  readonly retainSeconds: number;
}

/** What operators choose of haproxy.cfg. */
export type HaproxyChoices = Pick<
  HaproxySpec,
  | "port"
  | "virtualAddresses"
  | "healthPort"
  | "allow"
  | "maxConnections"
  | "maxConnectionsPerSource"
  | "timeouts"
  | "checks"
>;

/** What operators choose: one object on its way from the configuration to settings.json. */
export interface UpdaterChoices extends UpdaterTuning {
  readonly haproxy: HaproxyChoices;
  /** Port of the API server on this host. */
  readonly apiPort: number;
  readonly discovery: DiscoveryMode;
}

/** What the place decides where the updater runs: a pod or a host. */
export interface UpdaterPlace {
  readonly haproxy: Pick<HaproxySpec, "caFile" | "adminSocket" | "stateFile"> & {
    readonly updaterSocket: string;
  };
  /** haproxy.cfg: written atomically, so its folder must be writable. */
  readonly configFile: string;
  /** Unix socket of HAProxy's master process (`haproxy -W -S`). */
  readonly masterSocket: string;
  /** JSON with the last accepted backends. */
  readonly lastGoodFile: string;
  /** Folder with one file per backend, e.g. the ConfigMap as mounted volume. May be missing. */
  readonly initialBackendsDir: string;
  /** Is this host's own API server an initial backend too? @default false */
  readonly ownBackend?: boolean;
  /** The ServiceAccount's token. Read for each connection, as it is rotated. */
  readonly tokenFile: string;
  /** Environment variable with the token, in place of tokenFile. @default tokenFile is read */
  readonly tokenVariable?: string;
  /** The cluster's CA certificate, for the updater's own connections. */
  readonly apiCaFile: string;
  /**
   * `prepare` waits this long until a backend is ready, and longer while none answers and the
   * forward serves. 0: there is no forward, so HAProxy starts at once. @default 10
   */
  readonly prepareWaitSeconds?: number;
  /**
   * Checks a configuration file before it replaces the old one, e.g. `["haproxy", "-c", "-f"]`; the
   * file's name is added. @default no check, which log and metric report
   */
  readonly checkCommand?: readonly string[];
  /** Root's unit reloads HAProxy when this file changes. @default the master process is asked */
  readonly reloadRequestFile?: string;
}

/** The whole settings.json. */
export interface UpdaterSettings extends UpdaterPlace, Omit<UpdaterChoices, "haproxy"> {
  /** Namespace of the ConfigMap, and of the Events. */
  readonly namespace: string;
  /** Name of the ConfigMap with the backends. */
  readonly configMap: string;
  readonly haproxy: HaproxySpec & { readonly updaterSocket: string };
  /** A name in the API servers' certificates. */
  readonly apiServerName: string;
  /** This host's address. `${NAME}` is read from the environment. */
  readonly localAddress: string;
}

/** A field's validation. */
interface FieldType {
  readonly expected: string;
  readonly isValid: (value: unknown) => boolean;
}

const text: FieldType = {
  expected: "a text",
  isValid: (value) => typeof value === "string" && value !== "",
};
const whole: FieldType = {
  expected: "a whole number",
  isValid: (value) => Number.isInteger(value) && (value as number) >= 0,
};
const bool: FieldType = {
  expected: "true or false",
  isValid: (value) => typeof value === "boolean",
};
const command: FieldType = {
  expected: 'a list such as ["haproxy", "-c", "-f"]',
  isValid: (value) =>
    Array.isArray(value) && value.length > 0 && value.every((word) => typeof word === "string"),
};
const discovery: FieldType = {
  expected: DISCOVERY_MODES.join(", "),
  isValid: (value) => (DISCOVERY_MODES as readonly unknown[]).includes(value),
};
const haproxy: FieldType = {
  expected: "an object with updaterSocket, the path of a socket",
  isValid: (value) =>
    typeof (value as UpdaterSettings["haproxy"] | undefined)?.updaterSocket === "string",
};
const optional = ({ expected, isValid }: FieldType): FieldType => ({
  expected,
  isValid: (value) => value === undefined || isValid(value),
});

/** The type of each field in the file; the compiler finds one that is missing here. */
export const UPDATER_FIELDS: Readonly<Record<keyof UpdaterSettings, FieldType>> = {
  namespace: text,
  configMap: text,
  discovery,
  haproxy,
  configFile: text,
  masterSocket: text,
  lastGoodFile: text,
  initialBackendsDir: text,
  ownBackend: optional(bool),
  tokenFile: text,
  tokenVariable: optional(text),
  apiCaFile: text,
  apiPort: whole,
  apiServerName: text,
  localAddress: text,
  drainSeconds: whole,
  retainSeconds: whole,
  prepareWaitSeconds: optional(whole),
  checkCommand: optional(command),
  reloadRequestFile: optional(text),
};

/** How a pod and a host name their own address in one text for all. */
const OWN_ADDRESS = "${HOST_IP}";

/** haproxy.cfg's spec in this place: the same text on all nodes. */
export function haproxySpec<Place extends Partial<HaproxySpec>>(
  place: Place,
  choices: HaproxyChoices,
) {
  return { listen: [OWN_ADDRESS], ...place, ...choices };
}

/** settings.json of the updaters in pods and on hosts: the same text on all nodes. */
export function updaterSettings(
  { haproxy: haproxyPlace, ...place }: UpdaterPlace,
  { haproxy, apiPort, discovery, drainSeconds, retainSeconds }: UpdaterChoices,
): UpdaterSettings {
  return {
    namespace: NAMESPACE,
    configMap: BACKENDS_CONFIG_MAP,
    apiServerName: API_SERVER_NAME,
    localAddress: OWN_ADDRESS,
    haproxy: haproxySpec(haproxyPlace, haproxy),
    ...place,
    ...{ apiPort, discovery, drainSeconds, retainSeconds },
  };
}
