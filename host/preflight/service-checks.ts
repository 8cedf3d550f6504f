import type { Advice } from "../advice";
import { checkPackages } from "../packages";
import { quote } from "../shell";
import { HAPROXY_PACKAGES } from "../service/haproxy-part";
import { FOREIGN_CONFIGURATION, FOREIGN_FUNCTIONS } from "../service/takeover";
import { UPDATER_PACKAGES } from "../service/updater-part";
import type { ServicePreflight } from "./preflight-settings";

/**
 * Sh lines: HAProxy and Node.js are there or can be installed, and no foreign configuration is in
 * the way.
 */
export function serviceChecks({ takeOver }: ServicePreflight, advice: Advice): string {
  return [
    checkPackages([...HAPROXY_PACKAGES, ...UPDATER_PACKAGES], "problem"),
    'has systemd-tmpfiles || problem "command systemd-tmpfiles is missing" "install it (systemd)"',
    FOREIGN_FUNCTIONS,
    ...(takeOver
      ? []
      : [`if cfg_foreign; then problem "${FOREIGN_CONFIGURATION}" ${quote(advice.takeOver)}; fi`]),
  ].join("\n");
}
