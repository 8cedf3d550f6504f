/** The script that prints the cluster's admin kubeconfig (SECRET), with the control-plane endpoint as its server. */
export function kubeconfigScript(): string {
  throw new Error("not there yet");
}
