import * as automation from "@pulumi/pulumi/automation";
import { randomBytes } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ensurePulumiHome, type HomeOptions, type PulumiHome } from "../home/home";
import { EventCollector, type OperationResult } from "./operation";
import { ENGINE_MARK, processesOf } from "./processes";
import { readProject, secretTexts, writeStackSettings, type ConfigValue } from "./settings";
import { spawnUp, type SpawnedUp } from "./spawn";

/** A Pulumi program. It returns the outputs of the stack. */
export type Program = () => Promise<Record<string, unknown> | void>;

/** Settings of an engine. */
export interface EngineOptions extends HomeOptions {
  /** Runs in this process, once for each preview and up. */
  readonly program: Program;
  /** Pulumi.yaml of the project: its name and the schema of its configuration are used. */
  readonly projectFile: string;
  readonly stack: string;
  /** The whole configuration of the stack; keys without a namespace belong to the project. */
  readonly config: Readonly<Record<string, ConfigValue>>;
  /** Folder for state, settings and passphrase. @default a temporary one, removed by `dispose` */
  readonly home?: string;
  /** Encrypts the secrets. @default the one in the home, or a random one */
  readonly passphrase?: string;
  /** More environment variables of the engine and the plugins. */
  readonly env?: Readonly<Record<string, string>>;
  /** Receives the engine's output as it arrives. */
  readonly log?: (text: string) => void;
}

/** Options of one operation. */
export interface OperationOptions {
  /** Aborting it interrupts the operation, as Ctrl-C does. */
  readonly signal?: AbortSignal;
  /** Read the real state first. @default false */
  readonly refresh?: boolean;
  /** URNs to which the operation is limited. */
  readonly target?: readonly string[];
}

/** Result of `up`. */
export interface UpResult extends OperationResult {
  readonly outputs: Readonly<Record<string, { readonly value: unknown; readonly secret: boolean }>>;
}

/** The real Pulumi engine with its own state in a folder. */
export class Engine {
  /** Texts that must not appear in messages. */
  private readonly secrets: string[];

  private constructor(
    /** Folder of state and settings. */
    readonly home: string,
    /** Which plugins run. */
    readonly plugins: PulumiHome["plugins"],
    /** Environment for CLI calls on the same stack; contains the passphrase. */
    readonly env: Readonly<Record<string, string>>,
    private readonly options: EngineOptions,
    private readonly stack: automation.Stack,
  ) {
    this.secrets = secretTexts(options.config);
    const passphrase = env.PULUMI_CONFIG_PASSPHRASE;
    if (passphrase) this.secrets.push(passphrase);
  }

  /**
   * Makes or opens the stack.
   *
   * @throws if the project or its settings are wrong
   */
  static create(options: EngineOptions): Promise<Engine> {
    return Engine.start(options, options.config);
  }

  /** Opens an existing stack with its configuration. */
  static open(options: Omit<EngineOptions, "config"> & { readonly home: string }): Promise<Engine> {
    return Engine.start({ ...options, config: {} }, undefined);
  }

  private static async start(
    options: EngineOptions,
    config: EngineOptions["config"] | undefined,
  ): Promise<Engine> {
    const log = options.log ?? (() => undefined);
    const tools = await ensurePulumiHome((line) => log(`${line}\n`), options);
    const home = resolve(options.home ?? mkdtempSync(join(tmpdir(), "pulumi-engine-")));
    const [state, work] = [join(home, "state"), join(home, "work")];
    for (const folder of [state, work]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    copyFileSync(options.projectFile, join(work, "Pulumi.yaml"));
    const passphrase = options.passphrase ?? keptPassphrase(home);
    const project = readProject(options.projectFile);
    if (config !== undefined) {
      writeStackSettings(work, options.stack, project, config, passphrase);
    }
    const env = {
      ...options.env,
      PULUMI_HOME: tools.home,
      PULUMI_BACKEND_URL: `file://${state}`,
      PULUMI_CONFIG_PASSPHRASE: passphrase,
      PULUMI_SKIP_UPDATE_CHECK: "1",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      PULUMI_IGNORE_AMBIENT_PLUGINS: "true",
      [ENGINE_MARK]: home,
    };
    const stack = await automation.LocalWorkspace.createOrSelectStack(
      { stackName: options.stack, projectName: project.name, program: options.program },
      {
        workDir: work,
        pulumiHome: tools.home,
        envVars: env,
        pulumiCommand: await automation.PulumiCommand.get({ root: tools.home }),
      },
    );
    return new Engine(home, tools.plugins, env, options, stack);
  }

  /** Replaces the configuration of the stack. */
  setConfig(config: Readonly<Record<string, ConfigValue>>): void {
    const { projectFile, stack } = this.options;
    const passphrase = this.env.PULUMI_CONFIG_PASSPHRASE ?? "";
    const work = join(this.home, "work");
    writeStackSettings(work, stack, readProject(projectFile), config, passphrase);
    this.secrets.push(...secretTexts(config));
  }

  preview(options: OperationOptions = {}): Promise<OperationResult> {
    return this.operate("preview", options, (common) => this.stack.preview(common));
  }

  async up(options: OperationOptions = {}): Promise<UpResult> {
    let outputs: automation.OutputMap = {};
    const result = await this.operate("up", options, async (common) => {
      const done = await this.stack.up(common);
      ({ outputs } = done);
      return done;
    });
    return { ...result, outputs };
  }

  refresh(options: OperationOptions = {}): Promise<OperationResult> {
    return this.operate("refresh", options, (common) => this.stack.refresh(common));
  }

  destroy(options: OperationOptions = {}): Promise<OperationResult> {
    return this.operate("destroy", options, (common) => this.stack.destroy(common));
  }

  /** `pulumi cancel`: frees the stack from the lock of an operation that was killed. */
  cancel(): Promise<void> {
    return this.stack.cancel();
  }

  /** Outputs of the last `up`. */
  outputs(): Promise<UpResult["outputs"]> {
    return this.stack.outputs();
  }

  /** The state with its secrets in plain text: keep it in memory. */
  exportState(): Promise<automation.Deployment> {
    return this.stack.exportStack();
  }

  importState(state: automation.Deployment): Promise<void> {
    return this.stack.importStack(state);
  }

  /** All stored state as text, for tests that look for leaked secrets. */
  storedText(): string {
    const state = join(this.home, "state");
    return readdirSync(state, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"))
      .join("\n");
  }

  /**
   * Runs `up` in a separate process group, so that a test can kill it half-way.
   *
   * @param module file of the module that exports the program
   * @param exportName name of the export
   */
  spawnUp(module: string, exportName = "program"): SpawnedUp {
    const { projectFile, stack, plugins } = this.options;
    const { home } = this;
    return spawnUp({ home, projectFile, stack, plugins, module, exportName }, this.env);
  }

  /** PIDs of running processes of the engine and its plugins. */
  processes(): number[] {
    return processesOf(this.home);
  }

  /** Removes a temporary home; a given one stays. */
  dispose(): Promise<void> {
    if (this.options.home === undefined) rmSync(this.home, { recursive: true, force: true });
    return Promise.resolve();
  }

  private async operate(
    operation: string,
    options: OperationOptions,
    work: (common: CommonOptions) => Promise<{ stdout: string }>,
  ): Promise<OperationResult> {
    const collector = new EventCollector(this.secrets);
    let stdout = "";
    const onOutput = (text: string) => {
      stdout += text;
      this.options.log?.(text);
    };
    try {
      const done = await work({
        color: "never",
        suppressProgress: true,
        refresh: options.refresh === true ? true : undefined,
        target: options.target === undefined ? undefined : [...options.target],
        signal: options.signal,
        onEvent: collector.add,
        onOutput,
      });
      return collector.result(done.stdout);
    } catch (cause) {
      throw collector.error(operation, cause, stdout);
    }
  }
}

type CommonOptions = Pick<
  automation.UpOptions & automation.PreviewOptions,
  "color" | "suppressProgress" | "refresh" | "target" | "signal" | "onEvent" | "onOutput"
>;

function keptPassphrase(home: string): string {
  const file = join(home, "passphrase");
  if (!existsSync(file)) {
    writeFileSync(file, randomBytes(24).toString("base64url"), { mode: 0o600 });
  }
  return readFileSync(file, "utf8");
}
