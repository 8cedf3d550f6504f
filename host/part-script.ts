import { posix } from "node:path";
import { PRODUCT, UNIT_DIR } from "../names";
import { checkPart } from "./check-part";
import { installFiles, removeFiles, TIDY_STATE } from "./files";
import { checkPackages, installPackages, PACKAGE_FUNCTIONS, removePackages } from "./packages";
import { filesOf, foldersFile, READY_SECONDS, type HostPart, type HostUnit, type Sh } from "./part";
import { hostScript, quote, quoteWords, type HostScriptOptions } from "./shell";
import { restoreSysctls, setSysctls } from "./sysctls";
import { NEED_SYSTEMD, UNIT_FUNCTIONS } from "./unit-life-cycle";
import { digestIn } from "./unit-text";
import { createUsers, deleteUsers } from "./users";

/** How `partScript` renders a part. */
export interface PartScriptOptions extends HostScriptOptions {
  /** Folder on the host that holds the files' contents (`stagedName`). Default: the script does */
  readonly stage?: string;
}

/**
 * `hostScript` that installs a part on a host (apply) or removes it (remove).
 *
 * apply waits until every unit is ready; a unit restarts only if its process is outdated. remove
 * restores the host's former state.
 *
 * @throws Error when the part cannot be rendered (`checkPart`)
 */
export function partScript(part: HostPart, options: PartScriptOptions = {}): string {
  checkPart(part);
  const { owner, ports = [] } = part;
  const script = { apply: applyPart(part, options.stage), remove: removePart(part) };
  return hostScript(owner, script, { ...options, part: { name: owner, ports } });
}

/** Sh that installs the part: checks first, then changes. */
function applyPart(part: HostPart, stage: string | undefined): Sh {
  const { owner, packages = [], users = [], folders = [], units = [], steps = {} } = part;
  return join(
    NEED_SYSTEMD,
    functionsOf(part),
    checkPackages(packages, "refuse"),
    steps.check,
    "part_claim",
    steps.prepare,
    installPackages(owner, packages),
    createUsers(owner, users),
    `unit_retire ${[owner, ...unitFiles(part)].join(" ")}`,
    steps.discard,
    installFiles(owner, filesOf(part), stage),
    folders.length > 0 ? `systemd-tmpfiles --create ${foldersFile(owner)}` : "",
    setSysctls(owner, part.sysctls ?? {}),
    "units_reload",
    steps.beforeStart,
    ...units.map(startUnit),
    steps.afterStart,
    `say ${quote(part.summary)}", changed: $changed"`,
  );
}

/** Sh that removes the part, in reverse order. */
function removePart(part: HostPart): Sh {
  const { owner, packages = [], users = [], folders = [], units = [], steps = {} } = part;
  const names = units.map(({ name }) => name).reverse();
  return join(
    functionsOf(part),
    names.length > 0 ? `unit_drop ${names.join(" ")}` : "",
    `unit_retire ${[owner, ...names].join(" ")}`,
    steps.afterStop,
    restoreSysctls(owner),
    ...removeFolders(folders.map(({ path }) => path)),
    deleteUsers(owner, users),
    packages.length > 0 ? removePackages(owner) : "",
    removeFiles(owner),
    "units_reload",
    steps.afterRemove,
    TIDY_STATE,
  );
}

/** Sh lines; a folder of ours that held nothing else goes too. */
function removeFolders(paths: readonly string[]): Sh[] {
  if (paths.length === 0) return [];
  const parents = [...new Set(paths.map((path) => posix.dirname(path)))].filter((path) =>
    posix.basename(path).startsWith(PRODUCT),
  );
  return [
    `rm -rf ${paths.join(" ")}`,
    parents.length > 0 ? `rmdir ${parents.join(" ")} 2>/dev/null || :` : "",
  ];
}

/** Names of all units of the part, including those that another unit starts. */
function unitFiles(part: HostPart): string[] {
  return filesOf(part)
    .filter(({ path }) => path.startsWith(`${UNIT_DIR}/`))
    .map(({ path }) => path.slice(UNIT_DIR.length + 1));
}

function functionsOf({ packages = [], steps = {} }: HostPart): Sh {
  return join(
    UNIT_FUNCTIONS,
    packages.length > 0 ? PACKAGE_FUNCTIONS : "",
    'refuse() { fail "$1: $2"; }',
    steps.functions,
  );
}

/** @throws Error when a unit with a digest has no readiness test */
function startUnit({ name, text, ready, deadlineSeconds = READY_SECONDS }: HostUnit): Sh {
  const digest = digestIn(text);
  const test = ready === undefined ? undefined : `${deadlineSeconds} ${quoteWords(ready)}`;
  if (digest === undefined) {
    return join(`unit_enable ${name}`, test && `unit_await ${name} '' ${test}`);
  }
  if (test === undefined) throw new Error(`unit ${name}: nothing says when it is ready`);
  return `unit_start ${name} ${digest} ${test}`;
}

function join(...fragments: readonly (Sh | undefined)[]): Sh {
  return fragments.filter((fragment) => fragment !== undefined && fragment !== "").join("\n");
}
