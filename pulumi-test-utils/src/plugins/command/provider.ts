import { randomBytes } from "node:crypto";
import { plain, UNKNOWN, type Properties } from "../../wire";
import type { Host, Provider, ResourceCall } from "../protocol/provider";
import type { Connection } from "./connection";
import { checkInputs, diffInputs, outputsUnknown } from "./inputs";
import { runLocal } from "./local";
import type { Logging } from "./logging";
import { runRemote } from "./remote";

const REMOTE = "command:remote:Command";

/** Outputs that are not inputs. */
interface Outputs {
  readonly stdout: unknown;
  readonly stderr: unknown;
}

/** Inputs without the marks of secrets. */
interface Inputs {
  readonly connection: Connection;
  readonly create?: string;
  readonly update?: string;
  readonly delete?: string;
  readonly stdin?: string;
  readonly logging?: Logging;
  readonly environment?: Record<string, string>;
  readonly addPreviousOutputInEnv?: boolean;
  readonly interpreter?: string[];
  readonly dir?: string;
}

/** Stand-in of the command provider: remote.Command and local.Command. */
export function commandProvider(host: Host): Provider {
  async function run(
    call: ResourceCall & { timeoutSeconds: number },
    command: string,
    properties: Properties,
    previous: Outputs | undefined,
  ): Promise<Outputs> {
    const inputs = plain(properties) as Inputs;
    const timeout =
      call.timeoutSeconds > 0 ? [AbortSignal.timeout(call.timeoutSeconds * 1000)] : [];
    const options = {
      command,
      stdin: inputs.stdin,
      logging: inputs.logging,
      environment: { ...inputs.environment, ...previousOutputs(inputs, previous) },
      status: (line: string) => host.log("info", call.urn, line, true),
      signal: AbortSignal.any([host.cancelled, ...timeout]),
    };
    return call.type === REMOTE
      ? runRemote({ ...options, connection: inputs.connection })
      : runLocal({ ...options, interpreter: inputs.interpreter, dir: inputs.dir });
  }

  return {
    configure: () => undefined,

    check: ({ type, news }) => Promise.resolve(checkInputs(type, news)),

    diff: ({ oldInputs, news }) => Promise.resolve({ changes: diffInputs(oldInputs, news) }),

    async create(call) {
      const { properties, preview, name } = call;
      const id = `${name}${randomBytes(4).toString("hex")}`;
      const unknown = { stdout: UNKNOWN, stderr: UNKNOWN };
      if (preview) return { id: "", properties: { ...properties, ...unknown } };
      const { create } = plain(properties) as Inputs;
      const outputs =
        create === undefined
          ? { stdout: "", stderr: "" }
          : await run(call, create, properties, undefined);
      return { id, properties: { ...properties, ...outputs } };
    },

    async update(call) {
      const { news, olds, oldInputs, preview } = call;
      const before = { stdout: olds.stdout, stderr: olds.stderr };
      if (preview) {
        const unknown = outputsUnknown(oldInputs, news);
        return { ...news, ...(unknown ? { stdout: UNKNOWN, stderr: UNKNOWN } : before) };
      }
      const { create, update } = plain(news) as Inputs;
      const command = update ?? create;
      const outputs = command === undefined ? before : await run(call, command, news, before);
      return { ...news, ...outputs };
    },

    async delete(call) {
      const { properties } = call;
      const command = (plain(properties) as Inputs).delete;
      if (command === undefined) return;
      const { stdout, stderr } = properties;
      await run(call, command, properties, { stdout, stderr });
    },

    // a refresh keeps the state and dials no host
    read: ({ id, properties, inputs }) => Promise.resolve({ id, properties, inputs }),
  };
}

function previousOutputs(inputs: Inputs, previous: Outputs | undefined): Record<string, string> {
  if (inputs.addPreviousOutputInEnv === false || previous === undefined) return {};
  const outputs = plain(previous) as { stdout?: string; stderr?: string };
  return {
    ...(outputs.stdout ? { PULUMI_COMMAND_STDOUT: outputs.stdout } : {}),
    ...(outputs.stderr ? { PULUMI_COMMAND_STDERR: outputs.stderr } : {}),
  };
}
