import { stagedName } from "../files";
import { filesOf, type HostPart, type Sh } from "../part";
import { partScript } from "../part-script";
import { FIRST_BOOT_DIR, PHASES, RUNNER, runnerScript, type RunnerStep } from "./runner";
import { stepDeadline } from "./step-deadline";

/** What a machine does at one point of its first boot: exactly one of `part` and `script`. */
export interface BootStep {
  /** For messages, and for the file with the reason of a failure; like "forward" or "kubeadm". */
  readonly name: string;
  /** What the step installs. */
  readonly part?: HostPart;
  /** A host script (`hostScript`); it runs as `sh -s -- apply STACK NODE`. */
  readonly script?: Sh;
  /** Does `script` hold a credential? Then it is a file of its own. Default: true */
  readonly secret?: boolean;
  /** Default: what the part's packages and units may take; 600 for a script. */
  readonly deadlineSeconds?: number;
}

/** What a machine does on its first boot, beside kubeadm. */
export interface FirstBootPlan {
  /** Recorded on the host as the holder of the parts. */
  readonly stack: string;
  /** Name of the machine in the host's records. Default: its hostname, found at boot. */
  readonly node?: string;
  readonly beforeKubeadm: readonly BootStep[];
  readonly afterKubeadm: readonly BootStep[];
}

/** A file of the user data. */
export interface BootFile {
  readonly path: string;
  /** Octal mode as for chmod, like "0600". The owner is root. */
  readonly mode: string;
  readonly content: string;
  /** Does it hold a credential? Default: false */
  readonly secret?: boolean;
}

/** A first boot as files and two shell lines: each ends the boot when it fails. */
export interface FirstBoot {
  readonly files: readonly BootFile[];
  readonly beforeKubeadm: string;
  readonly afterKubeadm: string;
}

/** Contents of the parts' files, and scripts with credentials. */
const STAGE = `${FIRST_BOOT_DIR}/stage`;

/**
 * A first boot that leaves the same host as the parts' own scripts do: the steps in order, each with
 * a deadline, none after one that has failed. `runnerScript` tells what a failure leaves.
 *
 * A file that others on the host may not read counts as secret.
 *
 * @throws Error when a step has no name, not exactly one of `part` and `script`, or a part that
 *   cannot be rendered
 */
export function firstBoot(plan: FirstBootPlan): FirstBoot {
  const { stack, node, beforeKubeadm, afterKubeadm } = plan;
  const all = [...beforeKubeadm, ...afterKubeadm];
  for (const step of all) check(step);
  const runner = runnerScript({
    stack,
    ...(node === undefined ? {} : { node }),
    beforeKubeadm: beforeKubeadm.map(runnerStep),
    afterKubeadm: afterKubeadm.map(runnerStep),
  });
  return {
    files: [...once(all.flatMap(stagedFiles)), { path: RUNNER, mode: "0600", content: runner }],
    beforeKubeadm: line(PHASES.beforeKubeadm),
    afterKubeadm: line(PHASES.afterKubeadm),
  };
}

/** Ends cloud-init's script with all commands, which goes on after one that fails otherwise. */
function line(phase: string): string {
  return `sh ${RUNNER} ${phase} || exit 1`;
}

function check({ name, part, script }: BootStep): void {
  if (!/^[A-Za-z0-9]([A-Za-z0-9 '._-]*[A-Za-z0-9])?$/.test(name)) {
    throw new Error(`step of a first boot: got name "${name}", expected words like kubeadm`);
  }
  if ((part === undefined) === (script === undefined)) {
    throw new Error(`step ${name} of a first boot: expected one of part and script`);
  }
}

function runnerStep(step: BootStep): RunnerStep {
  const { name } = step;
  const deadlineSeconds = stepDeadline(step);
  return { name, deadlineSeconds, script: runnerScriptOf(step) };
}

function runnerScriptOf({ part, script = "", secret = true }: BootStep): RunnerStep["script"] {
  if (part !== undefined) return partScript(part, { stage: STAGE });
  return secret ? { file: staged(script) } : script;
}

function stagedFiles({ part, script = "", secret = true }: BootStep): BootFile[] {
  if (part !== undefined) {
    return filesOf(part).map(({ content, mode }) => {
      const hidden = (parseInt(mode, 8) & 0o007) === 0;
      return { path: staged(content), mode: "0600", content, ...(hidden ? { secret: true } : {}) };
    });
  }
  return secret ? [{ path: staged(script), mode: "0600", content: script, secret: true }] : [];
}

/** Equal contents have one path. */
function once(files: readonly BootFile[]): BootFile[] {
  const secrets = new Set(files.filter(({ secret }) => secret).map(({ path }) => path));
  const first = new Map(files.map((file) => [file.path, file]));
  return [...first.values()].map((file) =>
    secrets.has(file.path) ? { ...file, secret: true } : file,
  );
}

function staged(content: string): string {
  return `${STAGE}/${stagedName(content)}`;
}
