import { hostScript } from "../shell";
import { library } from "./shell-library";

/** Options of {@link kubeconfigScript}. */
export interface KubeconfigOptions {
  /** Another number for any node makes another text, which reads the kubeconfig again. */
  readonly generations: Readonly<Record<string, number>>;
  /**
   * `YYYY-MM-DD`: another day reads it again, because what was read before expires soon and kubeadm
   * may have renewed it. Undefined: that is not so, and the script prints nothing. Default: the
   * script is the first one, which always prints
   */
  readonly renewal?: { readonly today: string | undefined };
}

/**
 * The script that prints the cluster's admin kubeconfig (SECRET). Its server is the control-plane
 * endpoint, as kubeadm wrote it.
 */
export function kubeconfigScript({ generations, renewal }: KubeconfigOptions): string {
  const nodes = Object.entries(generations).map(([name, generation]) => `${name} ${generation}`);
  const today = renewal?.today;
  const apply = [
    `# generations: ${nodes.join(", ")}${today === undefined ? "" : `; read again on ${today}`}`,
    renewal !== undefined && today === undefined ? ":" : library("kubeconfig"),
  ].join("\n");
  return hostScript("kubeconfig", { apply }, { lock: false });
}
