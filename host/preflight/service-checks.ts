import { FOREIGN, FOREIGN_FUNCTIONS } from "../service/takeover";
import type { ServicePreflight } from "./preflight-settings";

/** Sh lines: HAProxy and Node.js are there or can be installed, and no configuration of somebody else is in the way. */
export function serviceChecks({ takeOver }: ServicePreflight): string {
  return [
    `for each in haproxy node curl; do
  has "$each" || has apt-get || problem "command $each is missing, and there is no apt-get to install it" "install it (haproxy, nodejs 18 or later, curl)"
done
for each in prlimit systemd-tmpfiles useradd; do
  has "$each" || problem "command $each is missing" "install it"
done`,
    FOREIGN_FUNCTIONS,
    ...(takeOver ? [] : [`if cfg_foreign; then problem "${FOREIGN.what}" "${FOREIGN.hint}"; fi`]),
  ].join("\n");
}
