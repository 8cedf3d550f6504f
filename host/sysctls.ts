import { HOST_STATE_DIR } from "../names";
import { quote } from "./shell";

/** Former values, one "NAME VALUE" per line in a file per owner; written before a value changes. */
const FORMER = `${HOST_STATE_DIR}/sysctls`;

/**
 * Sh (for `hostScript`): sets the values now; the part's file in /etc/sysctl.d sets them at boot.
 * Values that are no longer listed are restored.
 */
export function setSysctls(owner: string, sysctls: Readonly<Record<string, string>>): string {
  const names = Object.keys(sysctls);
  return [
    FUNCTIONS,
    `sysctls_restore ${[owner, ...names].join(" ")}`,
    ...(names.length === 0 ? [] : [`mkdir -p ${FORMER}`]),
    ...Object.entries(sysctls).map(
      ([name, value]) => `sysctl_set ${owner} ${name} ${quote(value)}`,
    ),
  ].join("\n");
}

/** Sh (for `hostScript`): restores all former values. */
export function restoreSysctls(owner: string): string {
  return `${FUNCTIONS}\nsysctls_restore ${owner}`;
}

const FUNCTIONS = `sysctl_file() { printf '/proc/sys/%s' "$(printf '%s' "$1" | tr . /)"; }
sysctl_set() { # owner, name, value
  sysctl_path=$(sysctl_file "$2")
  [ -e "$sysctl_path" ] || fail "this kernel has no setting $2: load the module that has it"
  grep -q "^$2 " ${FORMER}/"$1" 2>/dev/null || {
    printf '%s %s\\n' "$2" "$(cat "$sysctl_path")" >>${FORMER}/"$1"
    sync ${FORMER}/"$1"
  }
  [ "$(cat "$sysctl_path")" = "$3" ] || printf '%s\\n' "$3" >"$sysctl_path"
}
sysctls_restore() { # owner, names that keep our value
  [ -e ${FORMER}/"$1" ] || return 0
  sysctl_owner=$1
  shift
  : >${FORMER}/"$sysctl_owner.new"
  while read -r sysctl_name sysctl_value; do
    case " $* " in
      *" $sysctl_name "*) printf '%s %s\\n' "$sysctl_name" "$sysctl_value" >>${FORMER}/"$sysctl_owner.new" ;;
      *) printf '%s\\n' "$sysctl_value" >"$(sysctl_file "$sysctl_name")" || warn "$sysctl_name cannot be restored to $sysctl_value" ;;
    esac
  done <${FORMER}/"$sysctl_owner"
  mv ${FORMER}/"$sysctl_owner.new" ${FORMER}/"$sysctl_owner"
  [ -s ${FORMER}/"$sysctl_owner" ] || rm -f ${FORMER}/"$sysctl_owner"
  rmdir ${FORMER} 2>/dev/null || :
}`;
