import { HOST_STATE_DIR, UNIT_DIR } from "../../names";
import { CONFIG_FILE, CONFIG_LINK } from "./haproxy-paths";

/** The package's own unit: it would run as root what the unprivileged updater writes. */
const PACKAGE_UNIT = "haproxy.service";

const CONFIG_FOLDER = CONFIG_LINK.slice(0, CONFIG_LINK.lastIndexOf("/"));

/** The package's state before us: its unit and haproxy.cfg. */
const KEPT = `${HOST_STATE_DIR}/haproxy-service`;

/**
 * Sh functions. `cfg_foreign`: there is a haproxy.cfg that is neither ours nor the package's
 * original. dpkg knows the original's checksum; without dpkg every file is foreign.
 */
export const FOREIGN_FUNCTIONS = `cfg_ours() { [ "$(readlink ${CONFIG_LINK} 2>/dev/null)" = ${CONFIG_FILE} ]; }
cfg_packaged() {
  cfg_sum=$(dpkg-query --show --showformat='\${Conffiles}\\n' haproxy 2>/dev/null | sed -n 's|^ *${CONFIG_LINK} \\([0-9a-f]*\\).*|\\1|p')
  [ -n "$cfg_sum" ] && [ ! -L ${CONFIG_LINK} ] && [ "$(md5sum <${CONFIG_LINK})" = "$cfg_sum  -" ]
}
cfg_foreign() {
  if [ ! -e ${CONFIG_LINK} ] && [ ! -L ${CONFIG_LINK} ]; then return 1; fi
  ! cfg_ours && ! cfg_packaged
}`;

/** What is wrong with a foreign configuration; `Advice.takeOver` says what to do. */
export const FOREIGN_CONFIGURATION = `${CONFIG_LINK} is not ours and differs from the package's`;

/**
 * Sh functions (need FOREIGN_FUNCTIONS): `package_put_aside` and `package_restore`. Both are
 * idempotent, also after an interruption.
 */
export const TAKEOVER_FUNCTIONS = `package_kept=${KEPT}
package_put_aside() { # masks the package's unit before the package can start it
  if [ ! -e "$package_kept/unit" ]; then
    [ ! -f ${UNIT_DIR}/${PACKAGE_UNIT} ] || [ -L ${UNIT_DIR}/${PACKAGE_UNIT} ] ||
      fail "${UNIT_DIR}/${PACKAGE_UNIT} is not the package's unit: move it away, our own unit runs HAProxy"
    mkdir -p "$package_kept"
    printf '%s %s\\n' "$(systemctl is-enabled ${PACKAGE_UNIT} 2>/dev/null | grep . || echo not-found)" \\
      "$(systemctl is-active ${PACKAGE_UNIT} 2>/dev/null || :)" >"$package_kept/unit.new"
    sync "$package_kept/unit.new"
    mv "$package_kept/unit.new" "$package_kept/unit"
  fi
  if [ "$(systemctl is-enabled ${PACKAGE_UNIT} 2>/dev/null || :)" != masked ]; then
    systemctl --quiet disable --now ${PACKAGE_UNIT} 2>/dev/null || :
    systemctl --quiet mask ${PACKAGE_UNIT} 2>/dev/null || fail "${PACKAGE_UNIT} cannot be masked: run systemctl mask ${PACKAGE_UNIT} to see why"
  fi
}
configuration_put_aside() { # keeps a file that is not ours, then replaces it with a link to ours
  if ! cfg_ours; then
    if [ -e ${CONFIG_LINK} ] || [ -L ${CONFIG_LINK} ]; then
      cp -a ${CONFIG_LINK} "$package_kept/haproxy.cfg.new"
      mv -fT "$package_kept/haproxy.cfg.new" "$package_kept/haproxy.cfg"
    fi
    mkdir -p ${CONFIG_FOLDER}
    ln -sfT ${CONFIG_FILE} ${CONFIG_LINK}.control-plane-lb
    mv -fT ${CONFIG_LINK}.control-plane-lb ${CONFIG_LINK}
  fi
}
configuration_restore() { # once: a later run must not bring back what the package's purge has removed
  rm -f ${CONFIG_LINK}.control-plane-lb
  if cfg_ours || { [ ! -e ${CONFIG_LINK} ] && [ ! -L ${CONFIG_LINK} ]; }; then
    if [ -e "$package_kept/haproxy.cfg" ] || [ -L "$package_kept/haproxy.cfg" ]; then
      mkdir -p ${CONFIG_FOLDER}
      cp -a "$package_kept/haproxy.cfg" ${CONFIG_LINK}.control-plane-lb
      mv -fT ${CONFIG_LINK}.control-plane-lb ${CONFIG_LINK}
    else
      rm -f ${CONFIG_LINK}
    fi
  fi
  rm -f "$package_kept/haproxy.cfg"
}
package_restore() {
  if [ -e "$package_kept/unit" ] && [ -d /run/systemd/system ]; then
    read -r package_enabled package_active <"$package_kept/unit"
    [ "$package_enabled" = masked ] || systemctl --quiet unmask ${PACKAGE_UNIT} 2>/dev/null || :
    [ "$package_enabled" != enabled ] || systemctl --quiet enable ${PACKAGE_UNIT} 2>/dev/null || warn "${PACKAGE_UNIT} cannot be enabled again"
    [ "$package_active" != active ] || systemctl start ${PACKAGE_UNIT} || warn "${PACKAGE_UNIT} does not start again: see systemctl status ${PACKAGE_UNIT}"
  fi
  rm -rf "$package_kept"
}`;
