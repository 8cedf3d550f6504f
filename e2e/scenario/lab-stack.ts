import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import type { Lab } from "../../lab/src/index";
import { startLoad, type Load } from "../load/load";
import { Engine, type ConfigValue } from "../../pulumi-test-utils/src/index";
import { program } from "../../stacks/program";
import { feedCredentials } from "./credentials";
import { engineHome, writeEnvFile } from "./lab-files";
import { merge } from "./merge";

export { readKubeconfigWhenThere } from "./credentials";

const ROOT = path.resolve(__dirname, "../..");

/** Pulumi.yaml of the program. */
export const PROJECT_FILE = path.join(ROOT, "Pulumi.yaml");

/** The stack's name in every lab. */
export const STACK = "dev";

/** Keys of the configuration to change: objects are merged into what the lab has, `nodes` is replaced, undefined takes a key away. */
export type ClusterOverrides = Readonly<Record<string, unknown>>;

/** What the configuration needs to know of a lab. */
export type ConfiguredLab = Pick<Lab, "machines" | "ssh">;

/**
 * The configuration for a cluster on the control-plane nodes of a lab: that of Pulumi.dev.yaml, which alone says what the lab needs, with this
 * lab's machines, endpoint (the first machine) and SSH.
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
    endpoint: merge(base["endpoint"], { host: controlPlaneNodes[0]?.address ?? "" }),
    nodes: Object.fromEntries(controlPlaneNodes.map(({ name, address }) => [name, { address }])),
    ssh: { ...ssh, privateKeyFile: lab.ssh.privateKeyFile },
  };
  const { nodes = own.nodes, ...others } = overrides;
  const merged = { ...(merge(own, others) as Record<string, unknown>), nodes };
  return Object.fromEntries(
    Object.entries(merged)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, typeof value === "object" ? { value } : (value as ConfigValue)]),
  );
}

function readDevConfig(): Record<string, unknown> {
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

/** The engine with the real program and a lab's stack; its state is kept with the lab. */
export async function createEngine(lab: Lab, options: ClusterOptions): Promise<Engine> {
  const engine = await Engine.create({
    program,
    projectFile: PROJECT_FILE,
    stack: STACK,
    config: clusterConfig(lab, options.overrides),
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
  /** The load, if it was asked for: it runs since before the cluster existed. */
  readonly load?: Load;
}

/** Makes a cluster on a lab by `up`, with a load of API requests from its first answer on if asked for. @throws EngineError */
export async function startCluster(
  lab: Lab,
  options: ClusterOptions & { readonly load?: boolean },
): Promise<Cluster> {
  const engine = await createEngine(lab, options);
  const endpoint = endpointOf(clusterConfig(lab, options.overrides));
  const load = options.load === true ? startLoad({ endpoint }) : undefined;
  const done = new AbortController();
  const fed = load && feedCredentials(lab, load, done.signal);
  try {
    const { outputs } = await engine.up();
    await fed;
    const kubeconfig = String(outputs["kubeconfig"]?.value);
    return { engine, kubeconfig, endpoint, ...(load === undefined ? {} : { load }) };
  } catch (error) {
    done.abort();
    await fed?.catch(() => undefined);
    await load?.kill();
    throw error;
  }
}

/** The control-plane endpoint of a configuration. */
export function endpointOf(config: Record<string, ConfigValue>): { host: string; port: number } {
  const { value } = config["endpoint"] as { value: { host: string; port?: number } };
  return { host: value.host, port: value.port ?? 6444 };
}

/** Makes whole lines of text that comes in pieces. */
function lineByLine(log: (line: string) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") log(line);
  };
}
