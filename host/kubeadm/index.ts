/** kubeadm on a host: pure functions that return its configuration and the scripts that run it. */
export { bootstrapScript, type BootstrapOptions } from "./bootstrap";
export { caScript, type CaOptions } from "./ca";
export { initConfig, joinConfig } from "./config";
export { kubeconfigScript } from "./kubeconfig";
export { fragmentMistakes, type FragmentMistake } from "./mistakes";
export type { ClusterNode, Fragment, KubeadmFragments, KubeadmSettings } from "./settings";
export { ticketScript } from "./ticket";
