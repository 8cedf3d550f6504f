import { describeOwnAddress, ownAddressFunctions } from "../own-address";
import { quote } from "../shell";
import type { Advice } from "../advice";
import type { PreflightSettings } from "./preflight-settings";

/**
 * Sh lines: the address is on this host, and the host will use it as its own. They set `own` for
 * later checks.
 */
export function addressChecks(settings: PreflightSettings, advice: Advice): string {
  const { address, ownAddress } = settings;
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
      ${quote(advice.address)}
  else
    own=$(own_address)
    if [ "$own" != "$here" ]; then
      problem "its own address would be \${own:-none} ("${quote(describeOwnAddress(ownAddress))}"), but the node's address is $address" \\
        ${quote(advice.ownAddress)}
      own=$here
    fi
  fi
fi`;
}
