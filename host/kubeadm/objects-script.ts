import { hostPort } from "../../haproxy/address";
import {
  BACKENDS_CONFIG_MAP,
  HOST_STATE_DIR,
  IN_USE_ANNOTATION,
  NAMESPACE,
  PRODUCT,
} from "../../names";
import { hostScript } from "../shell";
import type { ClusterNode } from "./kubeadm-settings";
import { library, printer, variables } from "./shell-library";

/** Objects, or fields of them, with the same field manager. */
export interface ObjectsPiece {
  /** The same one changes them later: another one would conflict. */
  readonly fieldManager: string;
  /** As for `kubectl apply`: YAML, any number of documents. SECRET where an object is one. */
  readonly manifests: string;
}

/** Options of {@link objectsScript}. */
export interface ObjectsOptions {
  readonly node: ClusterNode;
  readonly apiPort: number;
  /** In the order of creation; the last one marks the cluster as in use (IN_USE_ANNOTATION). */
  readonly pieces: readonly ObjectsPiece[];
}

/** Seconds that the script may take: it waits for the API server, and repeats what is refused. */
export const OBJECTS_SECONDS = 900;

/**
 * The script that makes the cluster's objects on a control-plane node, through its own API server,
 * by server-side apply. It does nothing in a cluster that is marked as in use.
 *
 * @throws Error when a field manager's name cannot be one
 */
export function objectsScript({ node, apiPort, pieces }: ObjectsOptions): string {
  const lines = pieces.map(({ fieldManager }, index) => {
    if (!/^[\x21-\x7e]{1,128}$/.test(fieldManager)) {
      throw new Error(`field manager: got "${fieldManager}", expected 1 to 128 visible characters`);
    }
    return `piece_${index} ${fieldManager}\n`;
  });
  const apply = [
    variables({
      OWN_API: hostPort(node.address, apiPort),
      NODE: node.name,
      STATE: HOST_STATE_DIR,
      RUN: `/run/${PRODUCT}-objects`,
      NAMESPACE,
      BACKENDS: BACKENDS_CONFIG_MAP,
      IN_USE_ANNOTATION,
    }),
    printer("pieces", lines.join("")),
    ...pieces.map(({ manifests }, index) => printer(`piece_${index}`, manifests)),
    library("paths", "common", "objects"),
    "make_objects",
  ].join("\n");
  return hostScript(`${node.name}-objects`, { apply });
}
