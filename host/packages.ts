import { HOST_STATE_DIR } from "../names";
import { quote } from "./shell";

/**
 * Package managers by name: the command that reveals it on a host, and sh functions that begin with
 * its name.
 */
const PACKAGE_MANAGERS = {
  apt: {
    command: "apt-get",
    functions: `apt_run() {
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold --yes --no-install-recommends "$@"
}
apt_refresh() { apt_run update; }
apt_candidate() { # package: the version that would be installed, or nothing
  apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: \\([0-9].*\\)/\\1/p'
}
apt_plan() { # install or purge, packages: prints those that would be new (not upgraded), or removed
  apt_run --simulate "$@" 2>/dev/null | sed -n 's/^Inst \\([^ ]*\\) (.*/\\1/p; s/^\\(Remv\\|Purg\\) \\([^ ]*\\) .*/\\2/p'
}
apt_status() { dpkg-query --show --showformat='\${db:Status-Abbrev}' "$1" 2>/dev/null; }
apt_has() { # package: is anything of it there, if only its configuration
  case $(apt_status "$1") in
    ?[!n]*) return 0 ;;
  esac
  return 1
}
apt_half() { # package: is it there, but was dpkg interrupted before it configured it
  case $(apt_status "$1") in
    ?[HUF]*) return 0 ;;
  esac
  return 1
}`,
  },
} as const;

type PackageManager = keyof typeof PACKAGE_MANAGERS;

interface CapabilityEntry {
  /** Commands that it gives; the first one shows that a host has it. */
  readonly commands: readonly [string, ...string[]];
  /** Option with which the first command prints its version. Default: --version */
  readonly version?: string;
  readonly packages: Readonly<Record<PackageManager, string>>;
}

/** What a host may need. */
const CAPABILITIES = {
  haproxy: { commands: ["haproxy"], version: "-v", packages: { apt: "haproxy" } },
  nodejs: { commands: ["node"], packages: { apt: "nodejs" } },
  curl: { commands: ["curl"], packages: { apt: "curl" } },
  keepalived: { commands: ["keepalived"], packages: { apt: "keepalived" } },
  socat: { commands: ["socat"], packages: { apt: "socat" } },
  nftables: { commands: ["nft"], packages: { apt: "nftables" } },
  iptables: { commands: ["iptables", "iptables-restore"], packages: { apt: "iptables" } },
  iproute2: { commands: ["ip", "ss"], packages: { apt: "iproute2" } },
  "util-linux": { commands: ["flock", "setpriv", "prlimit"], packages: { apt: "util-linux" } },
  coreutils: { commands: ["base64", "sha256sum"], packages: { apt: "coreutils" } },
  findutils: { commands: ["find"], packages: { apt: "findutils" } },
  getent: { commands: ["getent"], packages: { apt: "libc-bin" } },
  accounts: { commands: ["useradd", "userdel"], packages: { apt: "passwd" } },
  kubeadm: { commands: ["kubeadm"], packages: { apt: "kubeadm" } },
  kubelet: { commands: ["kubelet"], packages: { apt: "kubelet" } },
  kubectl: { commands: ["kubectl"], packages: { apt: "kubectl" } },
} as const satisfies Record<string, CapabilityEntry>;

export type Capability = keyof typeof CAPABILITIES;

/** What a host needs; the host's own package manager resolves it to a package. */
export interface NeededPackage {
  readonly gives: Capability;
  /** Minimum version, like "2.6". Default: any */
  readonly atLeast?: string;
  /** Why older versions do not work, in one line. */
  readonly because?: string;
}

/** Commands that a capability gives. */
export function commandsOf(capability: Capability): readonly string[] {
  return CAPABILITIES[capability].commands;
}

/** Package names of a capability, "MANAGER=PACKAGE ..." for the sh function `packages_name`. */
export function packageNames(capability: Capability): string {
  return Object.entries(CAPABILITIES[capability].packages)
    .map(([manager, name]) => `${manager}=${name}`)
    .join(" ");
}

/** Arguments of the sh functions `packages_fits` and, after the owner, `packages_need`. */
function words({ gives, atLeast = "", because = "" }: NeededPackage): string {
  const entry: CapabilityEntry = CAPABILITIES[gives];
  return [
    gives,
    entry.commands[0],
    entry.version ?? "--version",
    quote(atLeast),
    quote(because),
    quote(packageNames(gives)),
  ].join(" ");
}

/**
 * Sh (after PACKAGE_FUNCTIONS) that checks versions and changes nothing: the installed one, else
 * the one that would be installed.
 * @param refuse sh function that gets what is wrong and what to do
 */
export function checkPackages(needed: readonly NeededPackage[], refuse: string): string {
  return needed
    .map((each) => `packages_fits ${words(each)} || ${refuse} "$packages_what" "$packages_hint"`)
    .join("\n");
}

/**
 * Sh (after PACKAGE_FUNCTIONS) that installs what is missing. The packages that this adds are
 * recorded first, in HOST_STATE_DIR/packages/OWNER: an interrupted run forgets none, and removal
 * purges exactly those.
 */
export function installPackages(owner: string, needed: readonly NeededPackage[]): string {
  return needed.map((each) => `packages_need ${owner} ${words(each)}`).join("\n");
}

/**
 * Sh (after PACKAGE_FUNCTIONS) that purges what `installPackages` has added for this owner, unless
 * other parts or packages need it by now.
 */
export function removePackages(owner: string): string {
  return `packages_drop ${owner}`;
}

const KNOWN = Object.values(PACKAGE_MANAGERS)
  .map(({ command }) => command)
  .join(", ");

/** Sh functions (for `hostScript`) of this file's fragments. */
export const PACKAGE_FUNCTIONS = `packages_state=${HOST_STATE_DIR}/packages
packages_manager=''
${Object.entries(PACKAGE_MANAGERS)
  .map(([name, { command, functions }]) => {
    return `${functions}
if command -v ${command} >/dev/null 2>&1; then packages_manager=${name}; fi`;
  })
  .join("\n")}
packages_name() { # "MANAGER=PACKAGE ...": the package's name on this host
  for packages_each in $1; do
    [ "\${packages_each%%=*}" != "$packages_manager" ] || printf '%s' "\${packages_each#*=}"
  done
}
packages_number() { # stdin: prints the first version number, without epoch and revision
  grep -o '[0-9][0-9.:]*' | sed 's/^[0-9]*://; q'
}
packages_half() { # names: is the package there, but only in part
  [ -n "$packages_manager" ] && "\${packages_manager}_half" "$(packages_name "$1")"
}
packages_candidate() { # names: the version that would be installed, or nothing
  "\${packages_manager}_candidate" "$(packages_name "$1")" | packages_number
}
packages_fits() { # capability, command, version option, least version, reason, names; else says why in packages_what and packages_hint
  if command -v "$2" >/dev/null 2>&1; then
    [ -n "$4" ] || return 0
    packages_from="command $2"
    packages_found=$("$2" "$3" 2>&1 | packages_number)
  elif [ -n "$packages_manager" ]; then
    packages_from="package $(packages_name "$6")"
    packages_found=$(packages_candidate "$6")
    # the package lists may be empty: the installation refreshes them and checks again
    [ -n "$packages_found" ] || return 0
  else
    packages_what="command $2 is missing, and this host has no package manager to install it (known: ${KNOWN})"
    packages_hint="install $1\${4:+ $4 or later}, then run this again"
    return 1
  fi
  [ "$(printf '%s\\n%s\\n' "$4" "$packages_found" | sort -V | head -n 1)" != "$4" ] || return 0
  packages_what="$packages_from is version \${packages_found:-unknown}, but $4 or later is needed: $5"
  packages_hint="make $1 $4 or later available (backports, or the vendor's packages), then run this again"
  return 1
}
packages_elsewhere() { # owner, package: prints the record of another part that has it
  for packages_record in "$packages_state"/*; do
    if [ "$packages_record" != "$packages_state/$1" ] && grep -qsxF -- "$2" "$packages_record"; then
      printf '%s' "$packages_record"
      return 0
    fi
  done
}
packages_share() { # owner, package: if another part had it installed, it is recorded for this one, too
  if grep -qsxF -- "$2" "$packages_state/$1"; then return 0; fi
  packages_record=$(packages_elsewhere "$1" "$2")
  [ -n "$packages_record" ] || return 0
  cat "$packages_record" >>"$packages_state/$1"
  sync "$packages_state/$1"
}
packages_need() { # owner, then the words of packages_fits
  if command -v "$3" >/dev/null 2>&1 && ! packages_half "$7"; then
    packages_share "$1" "$(packages_name "$7")"
    return 0
  fi
  packages_owner=$1
  shift
  packages_package=$(packages_name "$6")
  if [ -z "$(packages_candidate "$6")" ]; then
    "\${packages_manager}_refresh" >/dev/null 2>&1 || warn "the package lists cannot be refreshed"
    packages_fits "$@" || fail "$packages_what: $packages_hint"
  fi
  mkdir -p "$packages_state"
  : >>"$packages_state/$packages_owner"
  "\${packages_manager}_plan" install "$packages_package" | while read -r packages_each; do
    grep -qxF -- "$packages_each" "$packages_state/$packages_owner" ||
      printf '%s\\n' "$packages_each" >>"$packages_state/$packages_owner"
  done
  sync "$packages_state/$packages_owner"
  packages_log=$("\${packages_manager}_run" install "$packages_package" 2>&1) ||
    fail "package $packages_package cannot be installed: $(printf '%s\\n' "$packages_log" | tail -n 5)"
  say "installed $packages_package"
}
packages_drop() { # owner
  [ -e "$packages_state/$1" ] || return 0
  packages_ours=$(sort -u "$packages_state/$1" | while read -r packages_each; do
    ! "\${packages_manager}_has" "$packages_each" || [ -n "$(packages_elsewhere "$1" "$packages_each")" ] ||
      printf '%s ' "$packages_each"
  done)
  if [ -n "$packages_ours" ]; then
    # shellcheck disable=SC2086 # a list of names
    packages_others=$("\${packages_manager}_plan" purge $packages_ours | sort -u | while read -r packages_each; do
      grep -qxF -- "$packages_each" "$packages_state/$1" || printf '%s ' "$packages_each"
    done)
    if [ -n "$packages_others" ]; then
      warn "these packages were installed for us and stay, because $packages_others need them: $packages_ours"
    else
      # shellcheck disable=SC2086 # a list of names
      packages_log=$("\${packages_manager}_run" purge $packages_ours 2>&1) ||
        fail "packages $packages_ours cannot be removed: $(printf '%s\\n' "$packages_log" | tail -n 5)"
      say "removed $packages_ours"
    fi
  fi
  rm -f "$packages_state/$1"
  rmdir "$packages_state" 2>/dev/null || :
}`;
