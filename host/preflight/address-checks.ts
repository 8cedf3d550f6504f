import { describeOwnAddress, ownAddressFunctions, type OwnAddress } from "../own-address";
import { quote } from "../shell";
import type { Advice } from "../advice";
import type { PreflightSettings } from "./preflight-settings";

/**
 * Sh lines: the host will use its address as its own. They set `own` for later checks.
 */
export function addressChecks({ address, ownAddress }: PreflightSettings, advice: Advice): string {
  return [
    ownAddressFunctions(ownAddress),
    address === undefined
      ? foundAddress(ownAddress, advice)
      : givenAddress(address, ownAddress, advice),
  ].join("\n");
}

/** One text for all hosts: any own address will do. */
function foundAddress(ownAddress: OwnAddress, advice: Advice): string {
  return `own=
if has ip; then
  own=$(own_address)
  [ -n "$own" ] || problem "this host does not have "${quote(describeOwnAddress(ownAddress))} ${quote(advice.ownAddress)}
fi
# what comes next is checked in any case
own=\${own:-127.0.0.1}`;
}

/** The address is on this host, and it is the one that the host finds. */
function givenAddress(address: string, ownAddress: OwnAddress, advice: Advice): string {
  return `address=${quote(address)}
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
