import { HOST_STATE_DIR, HOST_UPDATER_DIR, UNIT_DIR } from "../../names";
import { PARTS_DIR } from "../holders";
import { CONFIG_LINK, type ServicePaths } from "./haproxy-paths";

/** The package's own unit: it would run as root what the unprivileged updater writes. */
const PACKAGE_UNIT = "haproxy.service";

const CONFIG_FOLDER = CONFIG_LINK.slice(0, CONFIG_LINK.lastIndexOf("/"));

/** The package's state before us: its unit and haproxy.cfg. */
const KEPT = `${HOST_STATE_DIR}/haproxy-service`;

/**
 * Sh functions. `cfg_foreign`: there is a haproxy.cfg that is neither ours nor the package's
 * original. dpkg knows the original's checksum; without dpkg every file is foreign.
 */
export const FOREIGN_FUNCTIONS = `cfg_ours() { # a link to the file of any instance
  case $(readlink ${CONFIG_LINK} 2>/dev/null) in
    ${HOST_UPDATER_DIR}/*/haproxy.cfg) ;;
    *) return 1 ;;
  esac
}
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
 * Sh functions (need FOREIGN_FUNCTIONS): `package_put_aside`, `configuration_put_aside`,
 * `configuration_restore` and `package_restore`. All are idempotent, also after an interruption.
 * Instances share the package: the last one gives it back. haproxy.cfg leads to one of them.
 *
 * @param part name of the instance's part
 */
export function takeoverFunctions({ configFile }: ServicePaths, part: string): string {
  return `package_kept=${KEPT}
package_other() { # prints the LB port of another instance on this host, or nothing
  for package_each in ${PARTS_DIR}/${part.replace(/\d+$/, "")}*; do
    if [ ! -d "$package_each" ] || [ "$package_each" = ${PARTS_DIR}/${part} ]; then continue; fi
    printf '%s' "\${package_each##*-}"
    break
  done
}
configuration_link() { # file
  mkdir -p ${CONFIG_FOLDER}
  ln -sfT "$1" ${CONFIG_LINK}.control-plane-lb
  mv -fT ${CONFIG_LINK}.control-plane-lb ${CONFIG_LINK}
}
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
    configuration_link ${configFile}
  fi
}
configuration_restore() { # once: a later run must not bring back what the package's purge has removed
  rm -f ${CONFIG_LINK}.control-plane-lb
  package_next=$(package_other)
  if [ -n "$package_next" ]; then
    [ "$(readlink ${CONFIG_LINK})" != ${configFile} ] ||
      configuration_link ${HOST_UPDATER_DIR}/"$package_next"/haproxy.cfg
    return 0
  fi
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
  [ -z "$(package_other)" ] || return 0
  if [ -e "$package_kept/unit" ] && [ -d /run/systemd/system ]; then
    read -r package_enabled package_active <"$package_kept/unit"
    [ "$package_enabled" = masked ] || systemctl --quiet unmask ${PACKAGE_UNIT} 2>/dev/null || :
    [ "$package_enabled" != enabled ] || systemctl --quiet enable ${PACKAGE_UNIT} 2>/dev/null || warn "${PACKAGE_UNIT} cannot be enabled again"
    [ "$package_active" != active ] || systemctl start ${PACKAGE_UNIT} || warn "${PACKAGE_UNIT} does not start again: see systemctl status ${PACKAGE_UNIT}"
  fi
  rm -rf "$package_kept"
}`;
}
