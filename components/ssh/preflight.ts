import type { remote } from "@pulumi/command";
import { preflightScript, type PreflightSettings } from "../../host/preflight/preflight-script";
import type { Host } from "./host";

/** Looks at every host and changes none. Whatever changes a host comes after all of these. */
export function preflights(hosts: readonly Host[], settings: PreflightOf): remote.Command[] {
  return hosts.map((host) => preflight(host, settings));
}

/** What a host must offer, apart from its own name and address. */
export type PreflightOf = Omit<PreflightSettings, "node" | "address">;

/** Looks at one host. */
export function preflight(host: Host, settings: PreflightOf): remote.Command {
  const { name, address, generation } = host;
  const script = preflightScript({ ...settings, node: name, address }, { generation });
  return host.run("preflight", { script });
}
