import * as pulumi from "@pulumi/pulumi";
import * as state from "@pulumi/pulumi/runtime/state";
import { RecordingMonitor } from "./monitor";
import type { Recorded } from "./recorded";
import type { Properties } from "../wire";

/** Settings of a run. */
export interface RecordOptions {
  /** Name of the stack. @default "test" */
  readonly stack?: string;
  /** Name of the project. @default "project" */
  readonly project?: string;
  /** Configuration with full keys (`project:key`); objects as JSON. */
  readonly config?: Readonly<Record<string, string>>;
  /** Keys of `config` that are secret. @default [] */
  readonly secretKeys?: readonly string[];
  /** Run as a preview: ids and outputs are unknown. @default false */
  readonly preview?: boolean;
  /** Properties of a resource beside its inputs. @default stdout and stderr of a Command are "" */
  readonly outputs?: (type: string, name: string, inputs: Properties) => Properties;
  /** Answers a provider function. @default an empty object */
  readonly call?: (token: string, inputs: Properties) => Properties;
}

/** The registered resources in order of registration, and the result of the program. */
export interface Recording<T> {
  readonly result: T;
  readonly resources: readonly Recorded[];
  /**
   * The one resource of that type and name.
   *
   * @throws if there is none; the error lists all resources
   */
  find(type: string, name: string): Recorded;
  /** All resources of a type. */
  all(type: string): Recorded[];
  /** Names of the resources that this one depends on. */
  dependencies(resource: Recorded): string[];
}

// internal functions of the runtime, which its type declarations leave out
const { withLocalStorage, getStore } = state as unknown as {
  withLocalStorage: <R>(callback: () => Promise<R>) => Promise<R>;
  getStore: () => {
    settings: { monitor: unknown };
    callbacks?: { shutdown(): void };
  };
};
const { waitForRPCs } = pulumi.runtime as unknown as { waitForRPCs: () => Promise<void> };

/**
 * Runs a program against a monitor that records every resource, and waits until all are registered.
 *
 * It proves what the program requests, not that an engine or provider accepts it.
 *
 * @throws the first error of the program, also from an `apply` or from a resource that is not
 *   awaited
 */
export async function recordResources<T>(
  program: () => Promise<T> | T,
  options: RecordOptions = {},
): Promise<Recording<T>> {
  const project = options.project ?? "project";
  const stack = options.stack ?? "test";
  const preview = options.preview ?? false;
  const monitor = new RecordingMonitor({
    project,
    stack,
    preview,
    outputs: (type, name, inputs) => ({
      ...(type.startsWith("command:") ? { stdout: "", stderr: "" } : {}),
      ...options.outputs?.(type, name, inputs),
    }),
    call: options.call ?? (() => ({})),
  });
  const result = await collectRejections(() =>
    withLocalStorage(async () => {
      await pulumi.runtime.setMocks(monitor.mocks, project, stack, preview, ORGANIZATION);
      getStore().settings.monitor = monitor;
      pulumi.runtime.setAllConfig({ ...options.config }, [...(options.secretKeys ?? [])]);
      try {
        const returned = await program();
        await settled(monitor);
        return returned;
      } finally {
        // where the engine would call hooks
        getStore().callbacks?.shutdown();
      }
    }),
  );
  return new Result(result, monitor.recorded);
}

/** The value of an output; rejects if it is unknown. */
export async function valueOf<T>(output: pulumi.Input<T>): Promise<pulumi.Unwrap<T>> {
  const all = pulumi.output(output) as unknown as {
    promise(): Promise<pulumi.Unwrap<T>>;
    isKnown: Promise<boolean>;
  };
  if (!(await all.isKnown)) throw new Error("valueOf: the output is not known (in a preview)");
  return all.promise();
}

/** What the engine says for a backend without organizations. */
const ORGANIZATION = "organization";

class Result<T> implements Recording<T> {
  constructor(
    readonly result: T,
    readonly resources: readonly Recorded[],
  ) {}

  find(type: string, name: string): Recorded {
    const found = this.resources.filter((r) => r.type === type && r.name === name);
    const [first] = found;
    if (first !== undefined && found.length === 1) return first;
    const known = this.resources.map((r) => `  ${r.type} ${r.name}`).join("\n");
    throw new Error(
      `${found.length} resources of type ${type} named ${name}; there are:\n${known}`,
    );
  }

  all(type: string): Recorded[] {
    return this.resources.filter((r) => r.type === type);
  }

  dependencies(resource: Recorded): string[] {
    const urns = new Set(resource.options.dependsOn);
    return this.resources.filter((r) => urns.has(r.urn)).map((r) => r.name);
  }
}

/** Waits until no registration is pending and outputs have added no further ones. */
async function settled(monitor: RecordingMonitor): Promise<void> {
  for (let before = -1; before !== monitor.recorded.length;) {
    before = monitor.recorded.length;
    await waitForRPCs();
    // outputs resolve in later turns of the event loop, and an apply may register more
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Runs `work`; an unhandled rejection becomes its error. */
async function collectRejections<R>(work: () => Promise<R>): Promise<R> {
  const others = process.listeners("unhandledRejection");
  const rejections: unknown[] = [];
  let firstRejection: (reason: unknown) => void = () => undefined;
  // a rejected resource may leave its dependents unresolved forever: do not wait for them
  const rejected = new Promise<never>((_, reject) => {
    firstRejection = reject;
  });
  rejected.catch(() => undefined);
  const collect = (reason: unknown) => {
    rejections.push(reason);
    firstRejection(reason);
  };
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", collect);
  try {
    const result = await Promise.race([work(), rejected]);
    await new Promise((resolve) => setImmediate(resolve));
    if (rejections.length > 0) throw rejections[0];
    return result;
  } catch (error) {
    // followers of the same error come in the next turns
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    throw error;
  } finally {
    process.off("unhandledRejection", collect);
    for (const listener of others) process.on("unhandledRejection", listener);
  }
}
