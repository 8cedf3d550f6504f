import { spawn } from "node:child_process";
import path from "node:path";
import * as grpc from "@grpc/grpc-js";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import * as engine from "@pulumi/pulumi/proto/engine_pb";
import { ResourceMonitorService } from "@pulumi/pulumi/proto/resource_grpc_pb";
import * as monitor from "@pulumi/pulumi/proto/resource_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";

const ROOT = path.resolve(__dirname, "../../..");

/** What a run of the program under Pulumi's own node host did. */
export interface HostRun {
  /** 0: success; 32: the program failed and has reported why. */
  readonly code: number | null;
  /** Types and names of what it registered. */
  readonly registered: readonly string[];
  /** Messages of severity error. */
  readonly errors: readonly string[];
  readonly output: string;
}

type Call<T> = grpc.ServerUnaryCall<T, unknown>;

/**
 * Runs index.ts as `pulumi preview` does: in a process of its own, by the node host of the SDK,
 * which compiles TypeScript itself. Only the engine at the other end is a stand-in: it returns no
 * outputs.
 */
export async function runUnderNodeHost(config: Record<string, string>): Promise<HostRun> {
  const registered: string[] = [];
  const errors: string[] = [];
  const server = new grpc.Server();
  server.addService(ResourceMonitorService, {
    supportsFeature: (
      call: Call<monitor.SupportsFeatureRequest>,
      done: grpc.sendUnaryData<unknown>,
    ) => {
      const response = new monitor.SupportsFeatureResponse();
      const known = ["secrets", "resourceReferences", "outputValues", "resourceHooks"];
      response.setHassupport(known.includes(call.request.getId()));
      done(null, response);
    },
    registerResource: (
      call: Call<monitor.RegisterResourceRequest>,
      done: grpc.sendUnaryData<unknown>,
    ) => {
      const [type, name] = [call.request.getType(), call.request.getName()];
      if (type !== "pulumi:pulumi:Stack") registered.push(`${type} ${name}`);
      const response = new monitor.RegisterResourceResponse();
      response.setUrn(`urn:pulumi:test::control-plane-lb::${type}::${name}`);
      done(null, response);
    },
    registerResourceOutputs: (_: unknown, done: grpc.sendUnaryData<unknown>) => {
      done(null, new Empty());
    },
    registerResourceHook: (_: unknown, done: grpc.sendUnaryData<unknown>) => {
      done(null, new Empty());
    },
    signalAndWaitForShutdown: (_: unknown, done: grpc.sendUnaryData<unknown>) => {
      done(null, new Empty());
    },
  });
  server.addService(EngineService, {
    log: (call: Call<engine.LogRequest>, done: grpc.sendUnaryData<unknown>) => {
      if (call.request.getSeverity() === engine.LogSeverity.ERROR) {
        errors.push(call.request.getMessage());
      }
      done(null, new Empty());
    },
    setRootResource: (_: unknown, done: grpc.sendUnaryData<unknown>) => {
      done(null, new engine.SetRootResourceResponse());
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  try {
    const { code, output } = await runHost(`127.0.0.1:${port}`, config);
    return { code, registered, errors, output };
  } finally {
    server.forceShutdown();
  }
}

function runHost(
  address: string,
  config: Record<string, string>,
): Promise<{ code: number | null; output: string }> {
  const host = path.join(ROOT, "node_modules/@pulumi/pulumi/cmd/run");
  const names = { project: "control-plane-lb", stack: "test", pwd: ROOT };
  const flags = {
    monitor: address,
    engine: address,
    "dry-run": "true",
    organization: "organization",
    ...names,
  };
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [host, ...args, "."], {
      cwd: ROOT,
      env: {
        ...process.env,
        // the test runner's loader must not help the program
        NODE_OPTIONS: "",
        PULUMI_NODEJS_TYPESCRIPT: "true",
        PULUMI_CONFIG: JSON.stringify(config),
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}
