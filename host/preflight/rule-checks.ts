import { IPTABLES_DNAT, iptablesTestRules } from "../forward/iptables";
import { nftRuleset } from "../forward/nftables";
import { needsRules } from "../forward/forward-settings";
import type { Advice } from "../advice";
import { quote } from "../shell";
import type { PreflightSettings } from "./preflight-settings";

/**
 * Sh lines: kernel and tools accept the exact rules that the forward will set; nothing changes.
 * `own` is the host's address.
 */
export function rulesCheck(settings: PreflightSettings, advice: Advice): string {
  const { ports, forward: kind, ownAddress, allow = [] } = settings;
  if (kind === undefined) return ":";
  const [lbPort, apiPort, healthPort] = [ports.lb, ports.api, ports.health];
  const forward = { kind, lbPort, apiPort, healthPort, ownAddress, allow };
  if (!needsRules(forward)) return ":";
  const [tool, command, text] =
    kind === "iptables"
      ? ["iptables", '"$tool-restore" --test --noflush', iptablesTestRules(forward)]
      : ["nft", "nft -c -f -", nftRuleset(forward)];
  return `# shellcheck disable=SC2034 # each kind needs some of them
case $own in
  *:*) own_family=ip6 own_protocol=ipv6 own_target="[$own]:${ports.api}" tool=ip6tables ;;
  *) own_family=ip own_protocol=ipv4 own_target="$own:${ports.api}" tool=iptables ;;
esac
# shellcheck disable=SC2034
own_addresses=$own
${kind === "iptables" ? IPTABLES_DNAT : ":"}
if has ${tool}; then
  ${command} >"$work/rules" 2>&1 <<END_OF_RULES || problem "the rules of the forward (${kind}) are refused: $(tr '\\n' ' ' <"$work/rules")" "load the kernel's modules for them (nf_tables, nft_socket, nft_fib_inet, nft_nat, nft_reject_inet, xt_socket, xt_multiport), or "${quote(advice.forwardKind)}
${text}
END_OF_RULES
fi`;
}
