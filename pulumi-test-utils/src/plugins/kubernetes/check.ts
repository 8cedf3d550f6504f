import { createHash } from "node:crypto";
import { containsUnknown, plain, type Properties } from "../../wire";
import type { CheckCall } from "../protocol/provider";
import { isAnnotated, isPatchType, withMetadata, type KubernetesObject } from "./object";
import { annotateSecrets } from "./secrets";
import { normalize, secretAsStored } from "./shape";

/** Facts about the cluster that a check needs. */
export interface CheckContext {
  /** Namespace of objects that name none. */
  readonly namespace: string;
  isNamespaced(apiVersion: string, kind: string): Promise<boolean>;
}

/**
 * Adds name, namespace and marks of secrets.
 *
 * @throws for inputs that server-side apply does not support
 */
export async function checkObject(call: CheckCall, context: CheckContext): Promise<Properties> {
  const given = plain(call.news) as KubernetesObject;
  const olds = plain(call.olds) as KubernetesObject;
  let object = containsUnknown(given) ? given : secretAsStored(normalize(given));
  const { apiVersion = "", kind = "" } = object;
  if (kind.endsWith("List")) {
    throw new Error("list resources cannot be created directly. Use the underlying resource type");
  }
  if (object.metadata?.name === undefined || object.metadata.name === "") {
    if (isPatchType(call.type, kind)) {
      throw new Error("patch resources require the `.metadata.name` field to be set");
    }
    if (object.metadata?.generateName !== undefined) {
      throw new Error(
        "the `.metadata.generateName` field is not supported in Server-Side Apply mode",
      );
    }
    object = named(object, isAutonamed(olds) ? olds.metadata?.name : undefined, call);
  }
  if (!object.metadata?.namespace && (await context.isNamespaced(apiVersion, kind))) {
    object = withMetadata(object, { namespace: context.namespace });
  }
  return annotateSecrets(object, call.news);
}

function named(
  object: KubernetesObject,
  oldName: string | undefined,
  { name, randomSeed }: CheckCall,
): KubernetesObject {
  const suffix = createHash("sha256").update(randomSeed).digest("hex").slice(0, 8);
  return withMetadata(object, {
    name: oldName ?? `${name}-${suffix}`,
    annotations: { ...object.metadata?.annotations, "pulumi.com/autonamed": "true" },
  });
}

/** Whether the provider generated the name. */
export function isAutonamed(object: KubernetesObject): boolean {
  return isAnnotated(object, "autonamed");
}
