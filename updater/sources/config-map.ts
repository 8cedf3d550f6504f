/** The ConfigMap with the backends: one key per node, from the program or from operators. */
import { parseBackends, type ParsedBackends } from "../../haproxy/model";
import type { WatchedObject } from "./object-source";

/** The fields that the updater reads. */
export interface ConfigMap {
  readonly data?: Readonly<Record<string, string>>;
}

/** Its place in the API. */
export function watchedConfigMap(namespace: string, name: string): WatchedObject {
  return {
    title: `ConfigMap ${namespace}/${name}`,
    path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps`,
    name,
  };
}

/** Its valid entries; none if there is no such ConfigMap. */
export function readConfigMap(object: ConfigMap | undefined): ParsedBackends {
  return parseBackends(object?.data ?? {});
}
