import { isObject, plain, type Properties } from "../../wire";
import type { KubernetesObject } from "./object";
import { annotateSecrets } from "./secrets";

/** Parts of a resource's state, without marks of secrets. */
export interface Checkpoint {
  readonly inputs: KubernetesObject;
  readonly live: KubernetesObject;
  readonly fieldManager: string | undefined;
  readonly initialApiVersion: string | undefined;
}

/** State of a resource: the live object, its inputs and its field manager. */
export function checkpoint(
  inputs: KubernetesObject,
  live: KubernetesObject,
  /** The inputs with their marks of secrets. */
  marked: Properties,
  fieldManager: string,
  initialApiVersion: string,
): Properties {
  return {
    ...annotateSecrets(live, marked),
    __inputs: annotateSecrets(inputs, marked),
    __fieldManager: fieldManager,
    __initialApiVersion: initialApiVersion,
  };
}

export function readCheckpoint(state: Properties): Checkpoint {
  const { __inputs, __fieldManager, __initialApiVersion, ...live } = plain(state) as Properties;
  return {
    inputs: isObject(__inputs) ? __inputs : {},
    live,
    fieldManager: typeof __fieldManager === "string" ? __fieldManager : undefined,
    initialApiVersion: typeof __initialApiVersion === "string" ? __initialApiVersion : undefined,
  };
}
