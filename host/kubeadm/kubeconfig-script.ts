import { hostScript } from "../shell";
import { library } from "./shell-library";

/**
 * The script that prints the cluster's admin kubeconfig (SECRET). Its server is the control-plane
 * endpoint, as kubeadm wrote it.
 */
export function kubeconfigScript(): string {
  return hostScript("kubeconfig", { apply: library("kubeconfig") }, { lock: false });
}
