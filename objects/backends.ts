/** The ConfigMap of the backends. */
import { BACKENDS_CONFIG_MAP, NAMESPACE, POD_LABELS, STACK_ANNOTATION } from "../names";
import type { Manifest } from "./manifest";

/**
 * The ConfigMap of the backends without its keys, which have field managers of their own. It names
 * the stack whose load balancer the cluster has.
 *
 * @param stack as ORGANIZATION/PROJECT/STACK
 */
export function backendsConfigMap(stack: string) {
  return {
    apiVersion: "v1" as const,
    kind: "ConfigMap" as const,
    metadata: {
      name: BACKENDS_CONFIG_MAP,
      namespace: NAMESPACE,
      labels: POD_LABELS,
      annotations: { [STACK_ANNOTATION]: stack },
    },
  } satisfies Manifest;
}
