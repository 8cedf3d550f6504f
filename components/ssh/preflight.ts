import type { remote } from "@pulumi/command";
import { preflightScript, type PreflightSettings } from "../../host/preflight/preflight-script";
import { configurationAdvice } from "./advice";
import type { Host } from "./host";

/** Checks every host and changes none. Every change of a host comes after these. */
export function preflights(hosts: readonly Host[], settings: PreflightOf): remote.Command[] {
  return hosts.map((host) => preflight(host, settings));
}

/** What a host must offer, apart from its own name and address. */
export type PreflightOf = Omit<PreflightSettings, "node" | "address" | "advice">;

/** Checks one host. */
export function preflight(host: Host, settings: PreflightOf): remote.Command {
  const { name, address, generation } = host;
  const { controlPlaneNode = true } = settings;
  const advice = configurationAdvice(`${controlPlaneNode ? "nodes" : "loadBalancers"}.${name}`);
  const script = preflightScript({ ...settings, node: name, address, advice }, { generation });
  return host.run("preflight", { script });
}
