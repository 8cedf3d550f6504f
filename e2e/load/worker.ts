import { Generator } from "./generator";
import type { Call, Reply } from "./messages";
import type { LoadOptions } from "./types";

// The load's own process (see startLoad): what the parent does must not delay the requests. Everything comes by
// IPC, so that no credential stands in the process list.

let generator: Generator | undefined;

async function handle(call: Call): Promise<unknown> {
  if (call.method === "start") {
    generator = new Generator(call.args[0] as LoadOptions);
    generator.start();
    return undefined;
  }
  if (generator === undefined) throw new Error("the load was not started");
  const methods = generator as unknown as Record<string, (...args: readonly unknown[]) => unknown>;
  return await methods[call.method]!(...call.args);
}

process.on("message", (call: Call) => {
  const reply = (answer: Omit<Reply, "id">) => process.send?.({ id: call.id, ...answer });
  handle(call).then(
    (value) => reply({ value }),
    (error: unknown) => {
      const { message, cause } = error as Error;
      const reason = cause instanceof Error ? `: ${cause.message}` : "";
      reply({ error: message + reason });
    },
  );
});
// Ctrl-C reaches the whole process group; it is the parent that decides when the load ends
process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit(0));
