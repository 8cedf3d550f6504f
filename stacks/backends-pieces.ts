import * as pulumi from "@pulumi/pulumi";
import { stringify } from "yaml";
import { controlPlaneNodesAnnotation } from "../components/cluster/backends";
import { formatBackend } from "../haproxy/model";
import { HAPROXY_CONFIG_KEY } from "../haproxy/mounted";
import type { ObjectsPiece } from "../host/kubeadm/objects-script";
import {
  BACKENDS_CONFIG_MAP,
  CONTROL_PLANE_NODES_ANNOTATION,
  IN_USE_ANNOTATION,
  NAMESPACE,
} from "../names";
import { mountedConfig } from "../pod/mounted-pod";
import { haproxySettings } from "./shared";
import type { Settings } from "./settings";

const FIELD_MANAGER_ANNOTATION = "pulumi.com/patchFieldManager";

/** The API server accepts no longer name of a field manager. */
const MAX_MANAGER = 128;

/** Field manager of the objects that belong to a stack as a whole. */
export function managerOf(stack: string): string {
  return stack.slice(-MAX_MANAGER);
}

/**
 * The objects of a new cluster as its init node makes them: each field has the manager that the
 * stack's resources use after {@link withKnownManagers}. The last piece marks the cluster as in use.
 *
 * @param objects all objects but the keys of the backends, as YAML
 */
export function objectsPieces(stack: string, objects: string, settings: Settings): ObjectsPiece[] {
  const nodes = settings.nodes.filter(({ lost }) => !lost);
  const { api } = settings.ports;
  const mounted = settings.topology === "daemonset" && settings.daemonset.variant === "mounted";
  const keys: [string, string][] = mounted
    ? [[HAPROXY_CONFIG_KEY, mountedConfig(haproxySettings(settings), nodes)]]
    : nodes.map(({ name, address }) => [name, formatBackend({ address, port: api })]);
  const list = { [CONTROL_PLANE_NODES_ANNOTATION]: controlPlaneNodesAnnotation(nodes) };
  return [
    { fieldManager: managerOf(stack), manifests: objects },
    piece("backends-control-plane-nodes", { annotations: list }),
    ...keys.map(([key, value]) =>
      piece(mounted ? `backends-${key}` : `backends-key-${key}`, { data: { [key]: value } }),
    ),
    piece("backends-in-use", { annotations: { [IN_USE_ANNOTATION]: "true" } }),
  ];
}

/** Fields of the backends' ConfigMap, managed under the name of the resource that has them. */
function piece(
  resource: string,
  { annotations, data }: { readonly annotations?: object; readonly data?: object },
): ObjectsPiece {
  const metadata = { name: BACKENDS_CONFIG_MAP, namespace: NAMESPACE, annotations };
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata, data };
  return { fieldManager: resource, manifests: stringify(object, { lineWidth: 0 }) };
}

/**
 * Gives the stack's resources the field managers under which the init node has made the objects:
 * another manager's change would be a conflict, and what it drops would stay.
 */
export function withKnownManagers(stack: string): pulumi.ResourceTransformation {
  return ({ type, name, props, opts }) => {
    if (!type.startsWith("kubernetes:")) return undefined;
    const manager = type.endsWith("Patch") ? name : managerOf(stack);
    const { metadata } = props as { readonly metadata?: pulumi.Input<Fields> };
    const managed = pulumi.Output.isInstance(metadata)
      ? metadata.apply((known) => withManager(known, manager))
      : withManager(metadata as Fields | undefined, manager);
    return { props: { ...(props as Fields), metadata: managed }, opts };
  };
}

function withManager(metadata: Fields | undefined, manager: string): Fields {
  const annotations = metadata?.["annotations"] as Fields | undefined;
  return {
    ...metadata,
    annotations: { ...annotations, [FIELD_MANAGER_ANNOTATION]: manager },
  };
}

type Fields = Readonly<Record<string, unknown>>;
