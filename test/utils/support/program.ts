import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import path from "node:path";

/** Pulumi.yaml of the tests' project. */
export const PROJECT_FILE = path.resolve(__dirname, "../fixtures/Pulumi.yaml");

/** A program with one local command from its configuration. */
export function localProgram(): Promise<Record<string, unknown>> {
  const config = new pulumi.Config();
  const made = new command.local.Command(
    "one",
    {
      create: config.require("plain"),
      delete: config.get("remove"),
      stdin: config.requireSecret("hidden"),
      addPreviousOutputInEnv: false,
    },
    { additionalSecretOutputs: ["stdout"] },
  );
  return Promise.resolve({
    out: made.stdout,
    structured: config.getObject("structured"),
  });
}
