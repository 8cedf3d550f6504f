import { join } from "node:path";
import { HAPROXY_DEFAULTS, UPDATER_DEFAULTS } from "../../support/haproxy-defaults";
import type { UpdaterSettings } from "../../../updater/settings";

/** Settings of an updater whose files and sockets are all in one folder. */
export function exampleSettings(
  folder: string,
  changes: Partial<UpdaterSettings> = {},
): UpdaterSettings {
  const at = (name: string): string => join(folder, name);
  return {
    namespace: "kube-system",
    configMap: "haproxy-backends",
    discovery: "configMap",
    haproxy: {
      listen: ["127.0.0.1"],
      port: 6444,
      healthPort: 6445,
      allow: [],
      caFile: at("ca.crt"),
      adminSocket: at("admin.sock"),
      updaterSocket: at("updater.sock"),
      stateFile: at("state"),
      ...HAPROXY_DEFAULTS,
    },
    configFile: at("haproxy.cfg"),
    masterSocket: at("master.sock"),
    lastGoodFile: at("last-good.json"),
    initialBackendsDir: at("seed"),
    tokenFile: at("token"),
    apiCaFile: at("ca.crt"),
    apiPort: 6443,
    apiServerName: "kubernetes",
    localAddress: "127.0.0.1",
    ...UPDATER_DEFAULTS,
    ...changes,
  };
}
