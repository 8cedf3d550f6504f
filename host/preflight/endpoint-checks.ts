import { isIP } from "node:net";
import type { Advice } from "../advice";
import { packageNames } from "../packages";
import { quote } from "../shell";
import type { PreflightEndpoint } from "./preflight-settings";

/**
 * Sh lines: this host resolves the endpoint's name, to addresses on which HAProxy listens and no
 * others. kubelet and kubeadm use the endpoint from every machine. Several addresses are fine, as
 * in round-robin DNS over all load-balancer hosts.
 */
export function endpointChecks(
  { host, addresses }: PreflightEndpoint,
  advice: Pick<Advice, "endpointName" | "endpointAddress">,
): string {
  if (isIP(host) !== 0) return ":";
  return `need getent ${quote(packageNames("getent"))}
endpoint=${quote(host)}
endpoint_addresses=${quote(addresses.join(" "))}
if has getent; then
  getent ahosts "$endpoint" 2>/dev/null | cut -d ' ' -f 1 | sort -u >"$work/endpoint" || :
  [ -s "$work/endpoint" ] ||
    problem "the endpoint's name $endpoint cannot be resolved on this host" ${quote(advice.endpointName)}
  while read -r resolved; do
    case $resolved in
      127.* | ::1 | ::ffff:127.*)
        problem "the endpoint's name $endpoint resolves to $resolved on this host, which is the host itself and not HAProxy" \\
          "remove the name from that line of /etc/hosts, and "${quote(advice.endpointName)}
        continue
        ;;
    esac
    case " $endpoint_addresses " in
      *" $resolved "*) ;;
      *) problem "the endpoint's name $endpoint resolves to $resolved on this host, where HAProxy does not listen (it listens on $(printf '%s' "$endpoint_addresses" | sed 's/ /, /g'))" ${quote(advice.endpointAddress)} ;;
    esac
  done <"$work/endpoint"
fi`;
}
