import { HAPROXY_CONFIG_KEY, renderMountedConfig } from "../haproxy/mounted";
import { BACKENDS_CONFIG_MAP } from "../names";
import { mountedScript } from "./mounted-script";
import { basePod, haproxyContainer, MOUNTS, VOLUMES, type PodArgs, type PodSpec } from "./pod";
import { POD_HAPROXY, PATHS, type PodSettings } from "./updater-config";

/** The pod of one control-plane node without an updater: one container, and no credential for the API. */
export function mountedPod(args: PodArgs): PodSpec {
  const mounted = { name: "mounted", mountPath: PATHS.mounted, readOnly: true };
  return {
    ...basePod(args),
    containers: [
      haproxyContainer(args, {
        command: ["sh", "-c", SCRIPT],
        volumeMounts: [...Object.values(MOUNTS), mounted],
      }),
    ],
    volumes: [
      ...VOLUMES,
      {
        name: "mounted",
        configMap: {
          name: BACKENDS_CONFIG_MAP,
          items: [{ key: HAPROXY_CONFIG_KEY, path: HAPROXY_CONFIG_KEY }],
          // without it, the last good configuration counts
          optional: true,
        },
      },
    ],
  };
}

const SCRIPT = mountedScript({
  mounted: PATHS.mounted,
  configFile: `${PATHS.config}/haproxy.cfg`,
  stateFile: POD_HAPROXY.stateFile,
  adminSocket: POD_HAPROXY.adminSocket,
});

/** haproxy.cfg of all control-plane nodes; `${HOST_IP}` in it is the node's own address. */
export function mountedConfig(
  { haproxy, apiPort }: PodSettings,
  controlPlaneNodes: readonly { readonly name: string; readonly address: string }[],
): string {
  return renderMountedConfig(
    { ...POD_HAPROXY, ...haproxy },
    controlPlaneNodes.map(({ name, address }) => ({ name, address, port: apiPort })),
  );
}
