import { execFile } from "node:child_process";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import {
  buildProgram,
  cached,
  cachedPath,
  fingerprint,
  PULUMI_VERSION,
} from "../../../tools/src/index";
import { bundleStandIn, PLUGINS, type PluginName } from "./bundle";

const execute = promisify(execFile);

/** Raise it when the layout of a home changes. */
const LAYOUT = "3";

/** Lists the plugins of a home that this module made. The user's own home has no such file. */
const KINDS_FILE = "plugins.json";

/** Deadline of a download, in milliseconds. */
const DOWNLOAD_LIMIT_MS = 120_000;

const PLUGIN_NAMES = Object.keys(PLUGINS) as PluginName[];

/** `real`: the provider's own plugin. `stand-in`: ours. */
export type PluginKind = "real" | "stand-in";

/** A folder that serves as PULUMI_HOME: `bin/pulumi` and the plugins. */
export interface PulumiHome {
  readonly home: string;
  readonly plugins: Readonly<Record<PluginName, PluginKind>>;
}

export interface HomeOptions {
  /**
   * `best`: real plugins if they are installed or can be downloaded, else the stand-ins.
   * @default "best", or "stand-in" with CONTROL_PLANE_LB_PLUGINS=stand-in in the environment
   */
  readonly plugins?: "best" | "stand-in";
}

/**
 * Finds or makes a PULUMI_HOME with the engine and the plugins. It is cached; concurrent calls are
 * safe.
 *
 * The engine is the `pulumi` on the PATH if it is new enough, else it is built from its Go module.
 * A child process of such an engine gets the engine's own home.
 *
 * @throws if there is no engine and it cannot be built
 */
export async function ensurePulumiHome(
  log: (line: string) => void,
  options: HomeOptions = {},
): Promise<PulumiHome> {
  const inherited = process.env.PULUMI_HOME;
  if (inherited !== undefined && existsSync(join(inherited, KINDS_FILE)))
    return openHome(inherited);
  const forced = process.env.CONTROL_PLANE_LB_PLUGINS === "stand-in" ? "stand-in" : "best";
  const desired = options.plugins ?? forced;
  const cli = (await installedCli()) ?? join(await buildProgram("pulumi", log), "pulumi");
  const scripts = { command: bundleStandIn("command"), kubernetes: bundleStandIn("kubernetes") };
  const installed = desired === "best" ? PLUGIN_NAMES.map(installedPlugin) : [];
  const key = fingerprint(
    LAYOUT,
    desired,
    cli,
    process.execPath,
    ...PLUGIN_NAMES.map((name) => scripts[name]),
    ...installed.map((path) => path ?? ""),
  );
  const final = cachedPath("pulumi-home", key);
  const home = await cached("pulumi-home", key, log, async (folder) => {
    mkdirSync(join(folder, "bin"));
    symlinkSync(cli, join(folder, "bin", "pulumi"));
    mkdirSync(join(folder, "plugins"));
    const kinds: Partial<Record<PluginName, PluginKind>> = {};
    for (const name of PLUGIN_NAMES) {
      const real = desired === "best" && (await installReal(name, cli, folder, log));
      if (!real) installStandIn(name, scripts[name], folder, final);
      kinds[name] = real ? "real" : "stand-in";
    }
    writeFileSync(join(folder, KINDS_FILE), JSON.stringify(kinds));
  });
  return openHome(home);
}

function openHome(home: string): PulumiHome {
  const text = readFileSync(join(home, KINDS_FILE), "utf8");
  return { home, plugins: JSON.parse(text) as PulumiHome["plugins"] };
}

/**
 * A `pulumi` on the PATH that is not older than the version that we build, and of the same major
 * version.
 */
async function installedCli(): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const file = join(folder, "pulumi");
    if (folder === "" || !isExecutable(file)) continue;
    const version = await execute(file, ["version"], { env: { ...process.env, ...QUIET } }).then(
      ({ stdout }) => stdout.trim(),
      () => "",
    );
    if (isNewEnough(version)) return realpathSync(file);
  }
  return undefined;
}

const QUIET = { PULUMI_SKIP_UPDATE_CHECK: "1" };

/** True for a release of the same major version that is not older than ours. */
export function isNewEnough(version: string, minimum: string = PULUMI_VERSION): boolean {
  const parse = (text: string) => /^v?(\d+)\.(\d+)\.(\d+)$/.exec(text)?.slice(1).map(Number);
  const [have, need] = [parse(version), parse(minimum)];
  if (have === undefined || need === undefined || have[0] !== need[0]) return false;
  const [minor = 0, needMinor = 0, patch = 0, needPatch = 0] = [have[1], need[1], have[2], need[2]];
  return minor > needMinor || (minor === needMinor && patch >= needPatch);
}

function folderName(name: PluginName): string {
  return `resource-${name}-v${PLUGINS[name]}`;
}

function binaryName(name: PluginName): string {
  return `pulumi-resource-${name}`;
}

/** Folder of a real plugin in the user's own PULUMI_HOME; undefined if it is not installed. */
function installedPlugin(name: PluginName): string | undefined {
  const home = process.env.PULUMI_HOME ?? join(homedir(), ".pulumi");
  const folder = join(home, "plugins", folderName(name));
  const usable = isExecutable(join(folder, binaryName(name))) && !existsSync(`${folder}.partial`);
  return usable ? folder : undefined;
}

async function installReal(
  name: PluginName,
  cli: string,
  home: string,
  log: (line: string) => void,
): Promise<boolean> {
  const target = join(home, "plugins", folderName(name));
  const installed = installedPlugin(name);
  if (installed !== undefined) {
    await copyFolder(installed, target);
    log(`provider ${name} ${PLUGINS[name]}: the real plugin, installed in ${installed}`);
    return true;
  }
  const args = ["plugin", "install", "resource", name, PLUGINS[name], "--non-interactive"];
  const env = { ...process.env, ...QUIET, PULUMI_HOME: home };
  const error = await execute(cli, args, { env, timeout: DOWNLOAD_LIMIT_MS }).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  if (error === undefined && isExecutable(join(target, binaryName(name)))) {
    log(`provider ${name} ${PLUGINS[name]}: the real plugin, downloaded`);
    return true;
  }
  // the engine takes no plugin beside the mark of an unfinished installation
  for (const rest of ["", ".partial", ".lock"]) {
    rmSync(`${target}${rest}`, { recursive: true, force: true });
  }
  log(`provider ${name} ${PLUGINS[name]}: our stand-in (the real plugin could not be downloaded)`);
  return false;
}

/**
 * The engine skips symbolic links in its folder of plugins; hard links save space on the same file
 * system.
 */
async function copyFolder(source: string, target: string): Promise<void> {
  const copy = (...how: string[]) => execute("cp", ["-RL", ...how, `${source}/.`, target]);
  mkdirSync(target);
  await copy("--link").catch(async () => {
    rmSync(target, { recursive: true });
    mkdirSync(target);
    await copy("--preserve=mode");
  });
}

/** @param final path of the finished home */
function installStandIn(name: PluginName, script: string, home: string, final: string): void {
  const folder = join("plugins", folderName(name));
  mkdirSync(join(home, folder), { recursive: true });
  writeFileSync(join(home, folder, "provider.cjs"), script);
  // the path of node may exceed the limit of a #! line; exec keeps the plugin a child of the engine
  const launcher = `#!/bin/sh\nexec '${process.execPath}' '${join(final, folder, "provider.cjs")}' "$@"\n`;
  writeFileSync(join(home, folder, binaryName(name)), launcher, { mode: 0o755 });
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
