import { Generator } from "./generator";
import { CRASHED, type Call, type Reply } from "./ipc";
import type { LoadOptions } from "./types";

// The load's own process (see startLoad), so that work of the parent does not delay requests. All
// input arrives by IPC: the process list shows no credential.

let generator: Generator | undefined;

async function handle(call: Call): Promise<unknown> {
  if (call.method === "start") {
    generator = new Generator(call.args[0] as LoadOptions);
    generator.start();
    return undefined;
  }
  if (generator === undefined) throw new Error("the load has not been started");
  const methods = generator as unknown as Record<string, (...args: readonly unknown[]) => unknown>;
  return await methods[call.method]!(...call.args);
}

process.on("message", (call: Call) => {
  const reply = (result: Omit<Reply, "id">) => process.send?.({ id: call.id, ...result });
  handle(call).then(
    (value) => reply({ value }),
    (error: unknown) => {
      const { message, cause } = error as Error;
      const reason = cause instanceof Error ? `: ${cause.message}` : "";
      reply({ error: message + reason });
    },
  );
});
// an error that no call awaits ends the load at once: above all a request that would leave the lab
process.on("uncaughtException", (error) => {
  process.send?.({ id: CRASHED, error: error.message }, () => process.exit(1));
});
// Ctrl-C reaches the whole process group, but the parent decides when the load ends
process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit(0));
