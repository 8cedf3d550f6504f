import { LocalWorkspace, PulumiCommand } from "@pulumi/pulumi/automation";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseEnv } from "node:util";

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

/** A stack as the Pulumi CLI knows it. */
export interface OpenedStack {
  /** `PROJECT:KEY` with its text. SECRET in parts. */
  readonly config: () => Promise<Record<string, string>>;
  /** SECRET in parts. @throws when the stack does not exist */
  readonly outputs: () => Promise<Readonly<Record<string, unknown>>>;
}

/**
 * Opens a stack by the Pulumi CLI. The CLI's own variables apply (PULUMI_BACKEND_URL,
 * PULUMI_CONFIG_PASSPHRASE, ...); PULUMI_OPTION_CWD is the folder of Pulumi.STACK.yaml.
 *
 * @param environment variables beside those of this process
 *
 * @throws when the CLI does not start
 */
export async function openStack(
  stack: string,
  environment: Environment = {},
): Promise<OpenedStack> {
  const env = { ...process.env, ...environment };
  const workDir = path.resolve(env["PULUMI_OPTION_CWD"] || PROJECT_DIR);
  const workspace = await LocalWorkspace.create({
    workDir,
    pulumiCommand: await findPulumi(env["PULUMI_HOME"]),
    // the CLI starts in workDir: a relative folder would be resolved twice
    envVars: { ...environment, PULUMI_OPTION_CWD: workDir },
  });
  const values = (map: Record<string, { readonly value: unknown }>) =>
    Object.fromEntries(Object.entries(map).map(([key, { value }]) => [key, value] as const));
  return {
    config: async () => values(await workspace.getAllConfig(stack)) as Record<string, string>,
    outputs: async () => values(await workspace.stackOutputs(stack)),
  };
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
