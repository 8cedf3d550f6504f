import { HOST_UPDATER_DIR } from "../../names";
import type { Advice } from "../advice";
import { checkPackages } from "../packages";
import { quote } from "../shell";
import { HAPROXY_PACKAGES } from "../service/haproxy-part";
import { FOREIGN_CONFIGURATION, FOREIGN_FUNCTIONS } from "../service/takeover";
import { UPDATER_PACKAGES } from "../service/updater-part";
import type { ServicePreflight } from "./preflight-settings";

/** The policy lets HAProxy neither bind the LB port nor read the updater's configuration. */
const SELINUX_CHECK = `if [ "$(cat /sys/fs/selinux/enforce 2>/dev/null)" = 1 ] && ! semanage permissive --list 2>/dev/null | grep -qw haproxy_t; then
  problem "SELinux is enforcing, and its policy for HAProxy (haproxy_t) forbids the LB port and the configuration in ${HOST_UPDATER_DIR}" \\
    "run semanage permissive --add haproxy_t (package policycoreutils-python-utils)"
fi`;

/**
 * Sh lines: HAProxy and Node.js are there or can be installed, and no foreign configuration is in
 * the way.
 */
export function serviceChecks({ takeOver }: ServicePreflight, advice: Advice): string {
  return [
    checkPackages([...HAPROXY_PACKAGES, ...UPDATER_PACKAGES], "problem"),
    'has systemd-tmpfiles || problem "command systemd-tmpfiles is missing" "install it (systemd)"',
    SELINUX_CHECK,
    FOREIGN_FUNCTIONS,
    ...(takeOver
      ? []
      : [`if cfg_foreign; then problem "${FOREIGN_CONFIGURATION}" ${quote(advice.takeOver)}; fi`]),
  ].join("\n");
}
