import { describeOwnAddress, ownAddressFunctions } from "../own-address";
import { quote } from "../shell";
import type { PreflightSettings } from "./preflight-settings";

/** Sh lines: the address is on this host, and it is the one that the forward will take as the host's own. They set `own` for later checks. */
export function addressChecks(settings: PreflightSettings): string {
  const { node, address, ownAddress, controlPlaneNode = true } = settings;
  const key = controlPlaneNode ? "nodes" : "loadBalancers";
  return `${ownAddressFunctions(ownAddress)}
address=${quote(address)}
own=$address
if has ip; then
  here=$(ip -o address show to "$address" 2>/dev/null | while read -r _ _ _ found _; do
    printf '%s\\n' "\${found%/*}"
    break
  done)
  if [ -z "$here" ]; then
    problem "address $address is not on this host, which has $(ip -o address show scope global | while read -r _ _ _ found _; do printf '%s ' "\${found%/*}"; done)" \\
      "correct "${quote(`${key}.${node}.address`)}", or connect to the right host (sshHost)"
  else
    own=$(own_address)
    if [ "$own" != "$here" ]; then
      problem "its own address would be \${own:-none}, but the node's address is $address (ownAddress takes "${quote(describeOwnAddress(ownAddress))}")" \\
        "set ownAddress.interface or ownAddress.subnet so that every master finds its node address"
      own=$here
    fi
  fi
fi`;
}
