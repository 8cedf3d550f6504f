import { HAPROXY_CONFIG_KEY, renderMountedConfig } from "../haproxy/mounted";
import { BACKENDS_CONFIG_MAP } from "../names";
import { haproxySpec, type UpdaterChoices } from "../updater/settings";
import { mountedScript } from "./mounted-script";
import { basePod, haproxyContainer, MOUNTS, VOLUMES, type PodArgs, type PodSpec } from "./pod";
import { PATHS, POD_HAPROXY } from "./updater-config";

/** The pod without an updater: one container, and no credential for the API. */
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
          // Without the ConfigMap the last good configuration serves.
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
  caFile: POD_HAPROXY.caFile,
});

/** haproxy.cfg, the same on all control-plane nodes: `${HOST_IP}` is the node's own address. */
export function mountedConfig(
  { haproxy, apiPort }: Pick<UpdaterChoices, "haproxy" | "apiPort">,
  controlPlaneNodes: readonly { readonly name: string; readonly address: string }[],
): string {
  return renderMountedConfig(
    haproxySpec(POD_HAPROXY, haproxy),
    controlPlaneNodes.map(({ name, address }) => ({ name, address, port: apiPort })),
  );
}
