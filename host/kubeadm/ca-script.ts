import { HOST_STATE_DIR } from "../../names";
import { hostScript } from "../shell";
import { applyHeader, header, type BootstrapOptions } from "./bootstrap-script";
import { library } from "./shell-library";

/** What {@link caScript} is made from. */
export type CaOptions = Pick<
  BootstrapOptions,
  "settings" | "node" | "others" | "tickets" | "generation"
>;

/**
 * The script that prints the certificate of the cluster's CA (public), before there is a cluster: that of the other control-plane nodes when one of them
 * gave join credentials, else the host's own, which `kubeadm init phase certs ca` makes where nobody answers as a cluster yet. It holds the join credentials: SECRET.
 *
 * `remove` takes a CA away that it has made and that no cluster came to use.
 */
export function caScript(options: CaOptions): string {
  const all = { ...options, initNode: true, resetOnRemove: false };
  return hostScript(
    `${options.node.name}-ca`,
    {
      apply: [
        header(all),
        applyHeader(all),
        // the host may be in any state that its bootstrap knows
        library("common", "unit", "etcd", "partial-reset", "init", "join", "bootstrap", "ca"),
        "certificate_authority",
      ].join("\n"),
      remove: REMOVE,
    },
    { generation: options.generation },
  );
}

/** Only what we made, and only where no cluster has grown from it. */
const REMOVE = `made=${HOST_STATE_DIR}/ca-made
pki=/etc/kubernetes/pki
if [ -e "$made" ] && [ ! -e /etc/kubernetes/admin.conf ] && [ ! -e /etc/kubernetes/kubelet.conf ]; then
  if [ -e "$pki/ca.crt" ] && [ "$(cat "$made")" = "$(sha256sum <"$pki/ca.crt")" ]; then
    rm -f "$pki/ca.crt" "$pki/ca.key"
  fi
  rmdir "$pki" 2>/dev/null || :
fi
rm -f "$made"
rmdir ${HOST_STATE_DIR} 2>/dev/null || :`;
