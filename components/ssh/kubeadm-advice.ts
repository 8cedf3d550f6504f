import type { KubeadmAdvice } from "../../host/kubeadm/kubeadm-advice";
import type { Host } from "./host";

/** What operators of this program do next, in terms of its configuration. */
export function kubeadmAdvice({ name, generation }: Host): KubeadmAdvice {
  return {
    joinCredentials: `raise nodes.${name}.generation to ${generation + 1} in the configuration and run \`pulumi up\``,
    excludeNode: "remove it from nodes in the configuration",
    restoreBackends: "run `pulumi up`",
    newCluster:
      "run `PULUMI_K8S_DELETE_UNREACHABLE=true pulumi destroy` (where it fails, as with new host keys: `pulumi stack rm --force --preserve-config STACK`, then `pulumi stack init STACK`), then `pulumi up`, for a new cluster",
    endCluster: "run `pulumi destroy`",
  };
}
