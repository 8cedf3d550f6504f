import type { HostFile } from "./files";
import type { NeededPackage } from "./packages";
import { UNIT_DIR } from "../names";

/** A fragment of POSIX sh for `hostScript`. */
export type Sh = string;

/** A system account. */
export interface SystemUser {
  /** Name of the user and of its group. */
  readonly name: string;
  readonly comment: string;
}

/** A folder that exists while the part does, also after a reboot under /run. */
export interface HostFolder {
  readonly path: string;
  /** Octal mode as for chmod, like "0770". */
  readonly mode: string;
  readonly user: string;
  readonly group: string;
}

/** Default deadline for a unit to become ready, in seconds. */
export const READY_SECONDS = 60;

/** Default of what a part may take beside its packages and units, in seconds. */
export const STEP_SECONDS = 180;

/** A systemd unit that the part starts. */
export interface HostUnit {
  readonly name: string;
  /** Its text. With a digest (`serviceText`), the unit restarts when its process is outdated. */
  readonly text: string;
  /**
   * Command that succeeds when the unit works: a program with arguments, or a function of
   * `HostPart.functions`. Required with a digest.
   */
  readonly ready?: readonly string[];
  /** Default: READY_SECONDS */
  readonly deadlineSeconds?: number;
}

/**
 * What we install on a host, as data, independent of the host and of the way there. What differs
 * between hosts is resolved on the host. `partScript` renders it; `firstBoot` takes that into user data.
 */
export interface HostPart {
  /** Names the part in the host's state and in messages; lower case, digits, - and . */
  readonly owner: string;
  /** TCP ports on which the part listens: no part of another stack may have them. */
  readonly ports?: readonly number[];
  /** Parts may share packages and users: removal of the last one takes away what was missing. */
  readonly packages?: readonly NeededPackage[];
  readonly users?: readonly SystemUser[];
  /** Of this part alone: removal deletes them with their content. */
  readonly folders?: readonly HostFolder[];
  readonly files?: readonly HostFile[];
  /** Started in this order, stopped in reverse. */
  readonly units?: readonly HostUnit[];
  /** Kernel settings by name (net.ipv4.ip_nonlocal_bind); removal restores the former values. */
  readonly sysctls?: Readonly<Record<string, string>>;
  /** Last message of a run that succeeded. */
  readonly summary: string;
  /** What data cannot say. */
  readonly steps?: HostSteps;
  /**
   * What the steps may take on a host to which nobody logs in, in seconds; packages and units have
   * deadlines of their own. Default: STEP_SECONDS
   */
  readonly stepSeconds?: number;
}

/** Imperative steps of a part; each is idempotent. */
export interface HostSteps {
  /** Functions for the other steps and for `HostUnit.ready`. */
  readonly functions?: Sh;
  /** Before any change: refuses hosts that do not suit the part. */
  readonly check?: Sh;
  /** Before packages are installed. */
  readonly prepare?: Sh;
  /** Removes what another version of the part has left; a new host does not need it. */
  readonly discard?: Sh;
  /** Everything is in place; no unit has been started. */
  readonly beforeStart?: Sh;
  /** All units are ready. */
  readonly afterStart?: Sh;
  /** On removal: all units are stopped, everything else still exists. */
  readonly afterStop?: Sh;
  /** On removal: everything else is gone. */
  readonly afterRemove?: Sh;
}

/** Path of a unit's text. */
export function unitPath(name: string): string {
  return `${UNIT_DIR}/${name}`;
}

/**
 * All files of a part: its own, its units, and what creates its folders and sets its sysctls at
 * boot.
 */
export function filesOf(part: HostPart): HostFile[] {
  const { owner, files = [], units = [], folders = [], sysctls = {} } = part;
  const settings = Object.entries(sysctls);
  return [
    ...(folders.length === 0
      ? []
      : [{ path: foldersFile(owner), mode: "0644", content: tmpfiles(folders) }]),
    ...(settings.length === 0
      ? []
      : [
          {
            path: `/etc/sysctl.d/90-control-plane-lb-${owner}.conf`,
            mode: "0644",
            content: settings.map(([name, value]) => `${name} = ${value}\n`).join(""),
          },
        ]),
    ...files,
    ...units.map(({ name, text }) => ({ path: unitPath(name), mode: "0644", content: text })),
  ];
}

/** tmpfiles.d file with the part's folders. */
export function foldersFile(owner: string): string {
  return `/etc/tmpfiles.d/control-plane-lb-${owner}.conf`;
}

function tmpfiles(folders: readonly HostFolder[]): string {
  return folders
    .map(({ path, mode, user, group }) => `d ${path} ${mode} ${user} ${group} -\n`)
    .join("");
}
