import type { remote } from "@pulumi/command";
import { preflightScript, type PreflightSettings } from "../../host/preflight";
import type { Host } from "./host";

/** Looks at every host and changes none. Whatever changes a host comes after all of these. */
export function preflights(
  hosts: readonly Host[],
  settings: Omit<PreflightSettings, "node" | "address">,
): remote.Command[] {
  return hosts.map((host) => {
    const { name, address, generation } = host;
    const script = preflightScript({ ...settings, node: name, address }, { generation });
    return host.run("preflight", { script });
  });
}
