/**
 * haproxy.cfg for a HAProxy without an updater: operators and the program replace the whole file.
 * Pure.
 */
import { renderHaproxyConfig, type HaproxySpec } from "./config";
import type { Backend } from "./model";

/** Key of the ConfigMap, and name of the file. */
export const HAPROXY_CONFIG_KEY = "haproxy.cfg";

/** Last line of the file. HAProxy itself would load a file that is cut off between two lines. */
export const LAST_LINE = "# End of haproxy.cfg";

/**
 * @param spec its updaterSocket is ignored
 * @param backends in any order: equal sets give equal bytes
 * @throws Error when the spec would give a wrong file, or there is no backend
 */
export function renderMountedConfig(spec: HaproxySpec, backends: readonly Backend[]): string {
  if (backends.length === 0) throw new Error("no backends: an empty set is never applied");
  const sorted = [...backends].sort((a, b) => (a.name < b.name ? -1 : 1));
  return `${renderHaproxyConfig(withoutUpdater(spec), sorted)}\n${LAST_LINE}\n`;
}

function withoutUpdater(spec: HaproxySpec): HaproxySpec {
  const copy: { -readonly [K in keyof HaproxySpec]: HaproxySpec[K] } = { ...spec };
  delete copy.updaterSocket;
  return copy;
}
