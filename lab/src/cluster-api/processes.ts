import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ensureGroups, killProcesses, processesOf, removeGroups } from "../cgroups";

/** No machine can have this name. */
const GROUP = "management_cluster";

/** A program of the management cluster. */
export interface Program {
  /** Also the name of its log. */
  readonly name: string;
  readonly command: readonly string[];
}

/** Variables of this process that programs get. */
const ENVIRONMENT = ["PATH", "HOME", "XDG_CACHE_HOME"] as const;

/**
 * The processes of a lab's management cluster. They are in control groups of the lab, so `down`
 * ends them with the machines, even if nothing else is known of them.
 */
export class Processes {
  constructor(
    private readonly lab: string,
    /** For logs. */
    private readonly folder: string,
  ) {}

  get running(): boolean {
    return processesOf(this.lab, GROUP).length > 0;
  }

  /** Starts a program, which outlives this process. Its output goes to its log. */
  async start({ name, command }: Program): Promise<void> {
    const log = openSync(this.logFile(name), "w");
    const enter = `for group do
  shift
  [ "$group" != -- ] || break
  echo $$ >"$group/cgroup.procs"
done
exec "$@"`;
    const groups = ensureGroups(this.lab, GROUP).join;
    const child = spawn("sh", ["-euc", enter, name, ...groups, "--", ...command], {
      detached: true,
      stdio: ["ignore", log, log],
      env: Object.fromEntries(ENVIRONMENT.map((name) => [name, process.env[name]])),
      cwd: this.folder,
    });
    closeSync(log);
    await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
    child.unref();
  }

  logFile(name: string): string {
    return join(this.folder, `${name}.log`);
  }

  /** The last lines of a program's log. */
  lastLines(name: string, lines = 15): string {
    return readFileSync(this.logFile(name), "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  }

  /** Ends all of them. */
  async stop(): Promise<void> {
    await killProcesses(this.lab, GROUP);
    await removeGroups(this.lab, GROUP);
  }
}
