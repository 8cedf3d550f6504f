import { z } from "zod";
import { flag, host, keys, list, text } from "./fields";

const word = (what: string) => text(what, /^[A-Za-z0-9/_.-]+$/);
const fragment = (document: string) =>
  z
    .record(z.string(), z.unknown(), { error: "an object, as in kubeadm's documents" })
    .optional()
    .describe(`Fragment of kubeadm's ${document}, merged over ours.`);

/** kubeadm, for bootstrap kubeadm. */
export const kubeadm = keys({
  kubernetesVersion: text(
    "a version like v1.35.4",
    /^v[0-9]+\.[0-9]+\.[0-9]+([-+][A-Za-z0-9.+-]+)?$/,
  )
    .optional()
    .describe("Like `v1.35.4`. Default: that of the installed kubeadm."),
  certSANs: list(host(), "addresses and DNS names").describe(
    "Further names and addresses in the API servers' certificates; the endpoint is always one.",
  ),
  ignorePreflightErrors: list(
    word("a check of kubeadm, or all"),
    "checks of kubeadm, or all",
  ).describe("Checks of kubeadm whose errors are ignored, or `all`."),
  skipPhases: list(word("a phase of kubeadm init"), "phases of kubeadm init").describe(
    "Phases that `kubeadm init` skips.",
  ),
  clusterConfiguration: fragment("ClusterConfiguration"),
  initConfiguration: fragment("InitConfiguration"),
  joinConfiguration: fragment("JoinConfiguration"),
  kubeletConfiguration: fragment("KubeletConfiguration"),
  kubeProxyConfiguration: fragment("KubeProxyConfiguration"),
  resetOnDestroy: flag()
    .default(false)
    .describe("`true`: `pulumi destroy` runs `kubeadm reset` on the control-plane nodes."),
})
  .prefault({})
  .describe("kubeadm, with bootstrap `kubeadm`.");
