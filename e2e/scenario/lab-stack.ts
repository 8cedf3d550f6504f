import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import type { Lab, MachineInfo } from "../../lab/src/index";
import { startLoad, type Load } from "../load/load";
import { Engine, type ConfigValue } from "../../pulumi-test-utils/src/index";
import { program } from "../../stacks/program";
import { engineHome, writeEnvFile } from "./lab-files";
import { setLoadCredentials } from "./load-credentials";

const ROOT = path.resolve(__dirname, "../..");

/** Pulumi.yaml of the program. */
export const PROJECT_FILE = path.join(ROOT, "Pulumi.yaml");

/** Name of the stack in every lab. */
export const STACK = "dev";

/**
 * Changes to the configuration: objects are merged, `nodes` is replaced, undefined removes a key.
 */
export type ClusterOverrides = Readonly<Record<string, unknown>>;

/** The part of a lab that its configuration needs. */
export interface ConfiguredLab {
  readonly machines: readonly Pick<MachineInfo, "name" | "role" | "address">[];
  readonly ssh: Lab["ssh"];
}

/**
 * The configuration for a cluster on a lab's control-plane nodes: Pulumi.dev.yaml with this lab's
 * machines, endpoint (the first machine) and SSH.
 */
export function clusterConfig(
  lab: ConfiguredLab,
  overrides: ClusterOverrides = {},
): Record<string, ConfigValue> {
  const controlPlaneNodes = lab.machines.filter((machine) => machine.role === "controlPlane");
  const ssh = { user: lab.ssh.user, port: lab.ssh.port, hostKey: lab.ssh.hostKey };
  const base = readDevConfig();
  const own = {
    ...base,
    endpoint: mergeObjects(base["endpoint"], { host: controlPlaneNodes[0]?.address ?? "" }),
    nodes: Object.fromEntries(controlPlaneNodes.map(({ name, address }) => [name, { address }])),
    ssh: { ...ssh, privateKeyFile: lab.ssh.privateKeyFile },
  };
  const { nodes = own.nodes, ...others } = overrides;
  const merged = { ...(mergeObjects(own, others) as Record<string, unknown>), nodes };
  return Object.fromEntries(
    Object.entries(merged)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, typeof value === "object" ? { value } : (value as ConfigValue)]),
  );
}

/** Pulumi.dev.yaml, without the project's name in the keys. */
export function readDevConfig(): Record<string, unknown> {
  const file = path.join(ROOT, "Pulumi.dev.yaml");
  const { config } = parse(readFileSync(file, "utf8")) as { config: Record<string, unknown> };
  // "control-plane-lb:endpoint" and the like
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key.slice(key.indexOf(":") + 1), value]),
  );
}

export interface ClusterOptions {
  readonly log: (line: string) => void;
  readonly overrides?: ClusterOverrides;
}

/**
 * The engine with the real program and a lab's stack; its state is stored with the lab.
 * @param configured what the stack's machines are. @default those of the lab
 */
export async function createEngine(
  lab: Lab,
  options: ClusterOptions,
  configured: ConfiguredLab = lab,
): Promise<Engine> {
  const engine = await Engine.create({
    program,
    projectFile: PROJECT_FILE,
    stack: STACK,
    config: clusterConfig(configured, options.overrides),
    home: engineHome(lab.folder),
    log: lineByLine(options.log),
  });
  writeEnvFile(lab.folder, engine);
  return engine;
}

export interface Cluster {
  readonly engine: Engine;
  readonly kubeconfig: string;
  readonly endpoint: { readonly host: string; readonly port: number };
  /** The load if requested: it was started before the cluster existed. */
  readonly load?: Load;
}

/**
 * Creates a cluster on a lab by `up`, if requested under load from the first answer.
 * @throws EngineError
 */
export async function startCluster(
  lab: Lab,
  options: ClusterOptions & { readonly load?: boolean },
): Promise<Cluster> {
  const engine = await createEngine(lab, options);
  const endpoint = endpointOf(clusterConfig(lab, options.overrides));
  const load = options.load === true ? startLoad({ endpoint }) : undefined;
  const done = new AbortController();
  const credentials = load && setLoadCredentials(lab, load, done.signal);
  try {
    const { outputs } = await engine.up();
    await credentials;
    const kubeconfig = String(outputs["kubeconfig"]?.value);
    return { engine, kubeconfig, endpoint, ...(load === undefined ? {} : { load }) };
  } catch (error) {
    done.abort();
    await credentials?.catch(() => undefined);
    await load?.kill();
    throw error;
  }
}

/** The control-plane endpoint of a configuration. */
export function endpointOf(config: Record<string, ConfigValue>): { host: string; port: number } {
  const { value } = config["endpoint"] as { value: { host: string; port?: number } };
  return { host: value.host, port: value.port ?? 6444 };
}

/** Turns chunks of text into whole lines. */
function lineByLine(log: (line: string) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") log(line);
  };
}

/**
 * Merges plain objects recursively; any other value of `over`, undefined included, replaces that of
 * `base`.
 */
export function mergeObjects(base: unknown, over: unknown): unknown {
  if (!isPlainObject(base) || !isPlainObject(over)) return over;
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) result[key] = mergeObjects(base[key], value);
  return result;
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
