import { HOST_STATE_DIR } from "../names";

/** A command that a host needs, and the Debian package that brings it. */
export interface NeededPackage {
  readonly command: string;
  readonly package: string;
}

/**
 * Sh (for `hostScript`): installs what is missing, by apt. What apt will install is written down before it does, under
 * HOST_STATE_DIR/packages/OWNER, so that a run that was cut off forgets nothing and removal takes away exactly that.
 */
export function installPackages(owner: string, needed: readonly NeededPackage[]): string {
  return [
    FUNCTIONS,
    ...needed.map(({ command, package: name }) => `packages_need ${owner} ${command} ${name}`),
  ].join("\n");
}

/** Sh (for `hostScript`): purges the packages that `installPackages` has installed for this owner, unless others need them by now. */
export function removePackages(owner: string): string {
  return `${FUNCTIONS}\npackages_drop ${owner}`;
}

const FUNCTIONS = `packages_state=${HOST_STATE_DIR}/packages
packages_apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold --yes --no-install-recommends "$@"
}
packages_plan() { # verb, packages: prints the packages that apt would install anew (not upgrade), or remove
  packages_apt --simulate "$@" 2>/dev/null | sed -n 's/^Inst \\([^ ]*\\) (.*/\\1/p; s/^\\(Remv\\|Purg\\) \\([^ ]*\\) .*/\\2/p'
}
packages_need() { # owner, command, package
  if command -v "$2" >/dev/null 2>&1; then return 0; fi
  command -v apt-get >/dev/null 2>&1 ||
    fail "command $2 is missing and this host has no apt-get to install it: install $3, then run this again"
  packages_plan install "$3" | grep -q . || packages_apt update >/dev/null 2>&1 || warn "apt-get update failed"
  mkdir -p "$packages_state"
  packages_plan install "$3" >>"$packages_state/$1"
  sync "$packages_state/$1"
  packages_log=$(packages_apt install "$3" 2>&1) ||
    fail "package $3 cannot be installed: $(printf '%s\\n' "$packages_log" | tail -n 5)"
  say "installed $3"
}
packages_drop() { # owner
  [ -e "$packages_state/$1" ] || return 0
  packages_ours=$(sort -u "$packages_state/$1" | while read -r packages_each; do
    case $(dpkg-query --show --showformat='\${db:Status-Abbrev}' "$packages_each" 2>/dev/null) in
      [ih][ic]* | rc*) printf '%s ' "$packages_each" ;;
    esac
  done)
  if [ -n "$packages_ours" ]; then
    # shellcheck disable=SC2086 # a list of names
    packages_others=$(packages_plan purge $packages_ours | sort -u | while read -r packages_each; do
      grep -qxF -- "$packages_each" "$packages_state/$1" || printf '%s ' "$packages_each"
    done)
    if [ -n "$packages_others" ]; then
      warn "these packages were installed for us and stay, because $packages_others need them: $packages_ours"
    else
      # shellcheck disable=SC2086 # a list of names
      packages_log=$(packages_apt purge $packages_ours 2>&1) ||
        fail "packages $packages_ours cannot be removed: $(printf '%s\\n' "$packages_log" | tail -n 5)"
      say "removed $packages_ours"
    fi
  fi
  rm -f "$packages_state/$1"
  rmdir "$packages_state" 2>/dev/null || :
}`;
