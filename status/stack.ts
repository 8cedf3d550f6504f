import { LocalWorkspace, PulumiCommand } from "@pulumi/pulumi/automation";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { LABS_DIR } from "../lab/src/paths";
import { ensurePulumiHome } from "../pulumi-test-utils/src/index";
import type { Settings } from "../stacks/settings";
import { settingsFromConfig } from "../stacks/read-config";

const PROJECT = "control-plane-lb";

/** Folder in a lab's own folder where the demo keeps the engine's state. */
export const LAB_HOME = "pulumi";

/** The engine's state of the lab that runs this stack. The first lab by name that has one. */
export function labHomeOf(stack: string, labs: string = LABS_DIR): string | undefined {
  if (!existsSync(labs)) return undefined;
  return readdirSync(labs)
    .sort()
    .map((lab) => path.join(labs, lab, LAB_HOME))
    .find((home) => existsSync(path.join(home, "work", `Pulumi.${stack}.yaml`)));
}

/**
 * Reads a stack's settings: with the user's own `pulumi` and backend; or, where the environment names no backend and a lab runs
 * this stack, from the lab's state.
 *
 * @throws when there is no such stack, or its settings are wrong
 */
export async function readStackSettings(
  stack: string,
  log: (line: string) => void,
): Promise<Settings> {
  const home = process.env["PULUMI_BACKEND_URL"] ? undefined : labHomeOf(stack);
  const workspace = await (home === undefined ? usersWorkspace(stack) : labWorkspace(home, log));
  const config = await workspace.getAllConfig(stack);
  const texts = Object.fromEntries(
    Object.entries(config).map(([key, { value }]) => [key, value] as const),
  );
  return settingsFromConfig(texts, PROJECT);
}

/** @throws when the user has no Pulumi that could be asked */
async function usersWorkspace(stack: string): Promise<LocalWorkspace> {
  const pulumiCommand = await PulumiCommand.get().catch((cause: unknown) => {
    const message = `no lab runs the stack ${stack}, and pulumi, which would know other stacks, does not start here: install the Pulumi CLI, or add it to PATH`;
    throw new Error(message, { cause });
  });
  return LocalWorkspace.create({ workDir: path.resolve(__dirname, ".."), pulumiCommand });
}

async function labWorkspace(home: string, log: (line: string) => void): Promise<LocalWorkspace> {
  const tools = await ensurePulumiHome(log);
  return LocalWorkspace.create({
    workDir: path.join(home, "work"),
    pulumiHome: tools.home,
    pulumiCommand: await PulumiCommand.get({ root: tools.home }),
    envVars: {
      PULUMI_BACKEND_URL: `file://${path.join(home, "state")}`,
      PULUMI_CONFIG_PASSPHRASE: readFileSync(path.join(home, "passphrase"), "utf8"),
      PULUMI_SKIP_UPDATE_CHECK: "1",
    },
  });
}
