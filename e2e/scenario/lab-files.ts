import { writeFileSync } from "node:fs";
import path from "node:path";

/** Folder in a lab's own folder that holds the engine's state, settings and passphrase. */
export function engineHome(labFolder: string): string {
  return path.join(labFolder, "pulumi");
}

/**
 * File in a lab's folder with the variables by which `pulumi` and `npm run status` find the lab's
 * stack.
 */
export function envFile(labFolder: string): string {
  return path.join(labFolder, "pulumi.env");
}

/** Writes the lab's `envFile`; it contains the passphrase of the stack's secrets. */
export function writeEnvFile(
  labFolder: string,
  engine: { readonly env: Readonly<Record<string, string>> },
): void {
  const names = ["PULUMI_HOME", "PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE"];
  const variables = [
    ...names.map((name) => [name, engine.env[name] ?? ""] as const),
    ["PULUMI_OPTION_CWD", path.join(engineHome(labFolder), "work")] as const,
    ["PULUMI_SKIP_UPDATE_CHECK", "1"] as const,
  ];
  const text = variables.map(([name, value]) => `${name}='${value}'\n`).join("");
  writeFileSync(envFile(labFolder), text, { mode: 0o600 });
}
