import { HOST_STATE_DIR } from "../names";

/**
 * A folder per part on a host: `holders` (who has installed it, one "STACK NODE" a line), `ports`
 * (those that it listens on) and `remove` (the script that takes it away).
 */
export const PARTS_DIR = `${HOST_STATE_DIR}/parts`;

/** A part in a host's records. */
export interface RecordedPart {
  /** Like "forward". */
  readonly name: string;
  /** TCP ports of the host that no part of another stack may have. Default: none */
  readonly ports?: readonly number[];
}

/**
 * Sh function: `other_holder FOLDER` prints who of another stack holds the part of this folder, or
 * nothing.
 */
export const OTHER_HOLDER = `other_holder() {
  [ -e "$1/holders" ] || return 0
  while read -r other_stack other_node; do
    if [ "$other_stack" != "$holder_stack" ]; then
      printf 'stack %s (as %s)' "$other_stack" "$other_node"
      break
    fi
  done <"$1/holders"
}`;

/**
 * Sh functions (after `holder_stack` and `holder_node` are set) of a script that installs a part:
 * - `part_refuse_others` fails where another stack holds the part, and changes nothing
 * - `part_claim` records that this stack and node hold it, before the first change
 *
 * @param removal text of the script that takes the part away; it is kept on the host
 */
export function claimFunctions({ name, ports = [] }: RecordedPart, removal: string): string {
  return `part_folder=${PARTS_DIR}/${name}
part_removal() {
  cat <<'END_OF_REMOVAL'
${removal.trimEnd()}
END_OF_REMOVAL
}
${OTHER_HOLDER}
part_refuse_others() {
  [ -n "$holder_node" ] || fail "got no stack and node, expected apply STACK NODE"
  part_other=$(other_holder "$part_folder")
  [ -z "$part_other" ] ||
    fail "${name} of this host belongs to $part_other; nothing was changed. Destroy that stack first. If it is gone, or was renamed: rm $part_folder/holders"
}
part_ports() { printf '${ports.map((port) => `${port}\\n`).join("")}'; }
part_holders() { # those that are recorded, and this one
  cat "$part_folder/holders" 2>/dev/null || :
  echo "$holder_stack $holder_node"
}
part_write() { # file, mode, command that prints it
  part_file=$part_folder/$1 part_mode=$2
  shift 2
  if "$@" | cmp -s - "$part_file"; then return 0; fi
  "$@" >"$part_file.new"
  chmod "$part_mode" "$part_file.new"
  sync "$part_file.new"
  mv "$part_file.new" "$part_file"
}
part_claim() {
  mkdir -p "$part_folder"
  part_write remove 0700 part_removal
  part_write ports 0644 part_ports
  grep -qxsF -- "$holder_stack $holder_node" "$part_folder/holders" || part_write holders 0644 part_holders
}`;
}

/**
 * Sh functions of a script that takes a part away:
 * - `part_leaves`: does it go? Not while another name of a machine holds it, nor for a stack or node
 *   that does not hold it. Without a record it does: a former version kept none.
 * - `part_forget` drops the record at the end
 */
export function releaseFunctions(name: string): string {
  return `part_folder=${PARTS_DIR}/${name}
part_leaves() {
  # by hand: any holder's
  [ -n "$holder_node" ] && [ -e "$part_folder/holders" ] || return 0
  if ! grep -qxF -- "$holder_stack $holder_node" "$part_folder/holders"; then
    say "${name} stays: it belongs to $(part_holders), not to $holder_stack $holder_node"
    return 1
  fi
  grep -vxF -- "$holder_stack $holder_node" "$part_folder/holders" >"$part_folder/holders.new" || return 0
  mv "$part_folder/holders.new" "$part_folder/holders"
  say "${name} stays: $(part_holders) has it too. If that is gone: sh $part_folder/remove"
  return 1
}
part_holders() { tr '\\n' ',' <"$part_folder/holders" | sed 's/,$//; s/,/, /g'; }
part_forget() {
  rm -rf "$part_folder"
  rmdir ${PARTS_DIR} ${HOST_STATE_DIR} 2>/dev/null || :
}`;
}
