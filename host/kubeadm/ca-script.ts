import { HOST_STATE_DIR } from "../../names";
import { hostScript } from "../shell";
import { applyHeader, header, type BootstrapOptions } from "./bootstrap-script";
import { library, variables } from "./shell-library";

/** Options of {@link caScript}. */
export type CaOptions = Pick<
  BootstrapOptions,
  "settings" | "node" | "others" | "joinCredentials" | "generation" | "advice"
>;

/**
 * The script that prints the certificate of the cluster's CA (public) before there is a cluster:
 * that of the join credentials, else the host's own, else a new one of `kubeadm init phase certs
 * ca`. It creates none while a cluster answers, nor where an earlier run has
 * succeeded (`apply again`). It holds the join credentials: SECRET.
 *
 * `remove` deletes a CA that the script created and that no cluster has used.
 */
export function caScript(options: CaOptions): string {
  const bootstrap = { ...options, initNode: true, resetOnRemove: false };
  return hostScript(
    `${options.node.name}-ca`,
    {
      apply: [
        header(bootstrap),
        applyHeader(bootstrap),
        // The host may be in any state that its bootstrap handles.
        library("paths", "common", "unit", "etcd", "partial-reset"),
        library("init", "join", "bootstrap", "ca"),
        'print_ca "$@"',
      ].join("\n"),
      remove: [
        variables({ STATE: HOST_STATE_DIR }),
        library("paths", "remove-ca"),
        "remove_unused_ca",
      ].join("\n"),
    },
    { generation: options.generation, part: { name: "ca" } },
  );
}
