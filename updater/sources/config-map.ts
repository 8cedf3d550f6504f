/** The ConfigMap with the backends: one key per control-plane node, kept by the program and by operators. */
import { parseBackends, type ParsedBackends } from "../../haproxy/model";
import type { Watched } from "./object-source";

/** What is read of it. */
export interface ConfigMap {
  readonly data?: Readonly<Record<string, string>>;
}

/** Where it stands. */
export function watchedConfigMap(namespace: string, name: string): Watched {
  return {
    title: `ConfigMap ${namespace}/${name}`,
    path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps`,
    name,
  };
}

/** Its valid entries by their keys; none if there is no such ConfigMap. */
export function readConfigMap(object: ConfigMap | undefined): ParsedBackends {
  return parseBackends(object?.data ?? {});
}
