import { LocalWorkspace, PulumiCommand } from "@pulumi/pulumi/automation";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseEnv } from "node:util";
import type { Settings } from "../stacks/settings";
import { settingsFromConfig } from "../stacks/read-config";

const PROJECT = "control-plane-lb";

/** Folder with the Pulumi.yaml of this program. */
const PROJECT_DIR = path.resolve(__dirname, "..");

/** Environment variables. */
export type Environment = Readonly<Record<string, string>>;

/**
 * Reads variables from a file with one `NAME=VALUE` per line, as Node's `--env-file` does.
 *
 * @throws when the file cannot be read
 */
export function readEnvFile(file: string): Environment {
  try {
    return parseEnv(readFileSync(file, "utf8")) as Environment;
  } catch (cause) {
    throw new Error(`--env-file: cannot read ${file}`, { cause });
  }
}

/** What status needs to know of a stack. */
export interface StackState {
  readonly settings: Settings;
  /** When the administrator's kubeconfig expires; undefined: unknown, or never. */
  readonly kubeconfigExpires?: Date;
}

/**
 * Reads a stack's settings and outputs by the Pulumi CLI. The CLI's own variables apply (PULUMI_BACKEND_URL,
 * PULUMI_CONFIG_PASSPHRASE, ...); PULUMI_OPTION_CWD is the folder of Pulumi.STACK.yaml.
 *
 * @param environment variables beside those of this process
 *
 * @throws when the CLI does not start, the stack does not exist or its settings are invalid
 */
export async function readStack(stack: string, environment: Environment = {}): Promise<StackState> {
  const env = { ...process.env, ...environment };
  const workDir = path.resolve(env["PULUMI_OPTION_CWD"] || PROJECT_DIR);
  const workspace = await LocalWorkspace.create({
    workDir,
    pulumiCommand: await findPulumi(env["PULUMI_HOME"]),
    // the CLI starts in workDir: a relative folder would be resolved twice
    envVars: { ...environment, PULUMI_OPTION_CWD: workDir },
  });
  const config = await workspace.getAllConfig(stack);
  const texts = Object.fromEntries(
    Object.entries(config).map(([key, { value }]) => [key, value] as const),
  );
  const settings = settingsFromConfig(texts, PROJECT);
  // without outputs, the state of the hosts is still worth showing
  const outputs = await workspace.stackOutputs(stack).catch(() => undefined);
  const expires = Date.parse(String(outputs?.["kubeconfigExpires"]?.value));
  return { settings, ...(isNaN(expires) ? {} : { kubeconfigExpires: new Date(expires) }) };
}

/** The CLI of PULUMI_HOME, where Pulumi's installer puts it, else that of the PATH. */
function findPulumi(home: string | undefined): Promise<PulumiCommand> {
  const root = home && existsSync(path.join(home, "bin", "pulumi")) ? home : undefined;
  return PulumiCommand.get(root === undefined ? {} : { root }).catch((cause: unknown) => {
    throw new Error(
      "the Pulumi CLI does not start: install it, or add it to PATH. A lab's stack has one of its own: " +
        "add --env-file with the file that the demo prints",
      { cause },
    );
  });
}
