import * as grpc from "@grpc/grpc-js";
import * as engine from "@pulumi/pulumi/proto/engine_pb";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import { handlers } from "./handlers";
import type { Host, Provider } from "./provider";

const LIMIT_BYTES = 400 * 1024 * 1024;
const OPTIONS = {
  "grpc.max_receive_message_length": LIMIT_BYTES,
  "grpc.max_send_message_length": LIMIT_BYTES,
};

/** Interval at which a plugin checks whether its engine still runs. */
const PARENT_CHECK_MS = 250;

/**
 * Serves a provider to the engine that started this process. Prints the port as the first line;
 * ends with the engine.
 *
 * @param version answer to `getPluginInfo`
 */
export async function serve(
  version: string,
  makeProvider: (host: Host) => Provider,
  address = process.argv.slice(2).findLast((argument) => !argument.startsWith("-")),
): Promise<void> {
  endWithParent();
  const cancel = new AbortController();
  const provider = makeProvider({ log: logger(address), cancelled: cancel.signal });
  const server = new grpc.Server(OPTIONS);
  server.addService(
    ResourceProviderService,
    handlers(version, provider, () => cancel.abort(new Error("the operation was cancelled"))),
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  process.stdout.write(`${port}\n`);
}

/** A killed engine cannot stop its plugins: the changed parent PID shows that it is gone. */
function endWithParent(): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(1);
  }, PARENT_CHECK_MS);
}

function logger(address: string | undefined): Host["log"] {
  if (address === undefined) return () => undefined;
  const client = new EngineClient(address, grpc.credentials.createInsecure(), OPTIONS);
  const severities = {
    info: engine.LogSeverity.INFO,
    warning: engine.LogSeverity.WARNING,
    error: engine.LogSeverity.ERROR,
  };
  return (level, urn, text, ephemeral) => {
    const request = new engine.LogRequest();
    request.setSeverity(severities[level]);
    request.setUrn(urn);
    request.setMessage(text);
    request.setEphemeral(ephemeral);
    // a line that the engine no longer accepts is no error
    client.log(request, () => undefined);
  };
}
