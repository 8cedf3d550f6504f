import type { HostFile } from "../files";
import type { ForwardSettings } from "./settings";

export type { ForwardKind, ForwardSettings, OwnAddress } from "./settings";

/** Units and scripts of the forward, byte-identical on all masters. */
export function forwardFiles(_settings: ForwardSettings): HostFile[] {
  return [];
}

/** `hostScript` that installs (apply) or takes away (remove) the forward on a host. */
export function forwardScript(
  _settings: ForwardSettings,
  _options: { readonly generation?: number } = {},
): string {
  return "";
}
