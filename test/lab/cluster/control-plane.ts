import assert from "node:assert/strict";
import { DEFAULT_DRAINS, type Drains, type ScenarioContext } from "../../../e2e/scenario/scenarios";
import { DemoCluster } from "../../../e2e/scenario/lab-cluster";
import { merge } from "../../../e2e/scenario/merge";
import { clusterConfig, type ClusterOverrides } from "../../../e2e/scenario/lab-stack";
import type { Lab } from "../../../lab/src/index";
import {
  startLoad,
  type Endpoint,
  type Load,
  type PhaseOptions,
  type PhaseReport,
} from "../../../e2e/load/load";
import { DEFAULT_PORTS } from "../../../names";
import { Engine, type ConfigValue } from "../../../pulumi-test-utils/src/index";
import { program } from "../../../stacks/program";
import { settingsFromConfig } from "../../../stacks/read-config";
import { askHosts } from "../../../status/ask";
import type { HostStatus } from "../../../status/report";
import { eventually, kubectl } from "../support";

/** The control-plane nodes of the cluster; the lab has one machine more. */
export const CONTROL_PLANE_NODES: readonly string[] = ["m1", "m2", "m3"];

/** Phase of the load in which nothing is promised: the test prepares something or cleans up. */
const BETWEEN = "between";

/** With kube-proxy, whose rules stand in the same hooks as the forward's; its limit of connections belongs to the host of the lab. */
const KUBE_PROXY = {
  skipPhases: ["addon/coredns"],
  kubeProxyConfiguration: { mode: "iptables", conntrack: { maxPerCore: 0 } },
};

/** Where HAProxy runs, and what else the configuration has in every test. */
export interface Layout {
  readonly stack: string;
  readonly settings: ClusterOverrides;
  /** As in `settings`. @default DEFAULT_DRAINS */
  readonly drains?: Drains;
  /** Hosts of HAProxy that are no control-plane nodes; the first one has the endpoint. Default: HAProxy as pods of the control-plane nodes */
  readonly loadBalancers?: readonly string[];
}

/** Shorter than by default, where tests wait for the last connection. */
const DRAINS: Drains = { stoppedMs: 5_000, removedMs: 4_000 };

const PODS: Layout = {
  stack: "cluster",
  drains: DRAINS,
  settings: {
    kubeadm: KUBE_PROXY,
    haproxy: { hardStopAfter: `${DRAINS.stoppedMs}ms` },
    updater: { drain: `${DRAINS.removedMs}ms` },
  },
};

/** A control plane on a lab, made by the real engine, under load from the first answer on. */
export class ControlPlane {
  readonly context: ScenarioContext;
  readonly endpoint: Endpoint;
  /** Machines whose load balancers the load goes through. Undefined: the endpoint */
  through: readonly string[] | undefined;

  private constructor(
    readonly lab: Lab,
    readonly engine: Engine,
    readonly load: Load,
    /** All that the engine has printed, with nothing taken out. */
    readonly printed: readonly string[],
    private readonly layout: Layout,
    private config: Config,
  ) {
    const signal = new AbortController().signal;
    const { loadBalancers } = layout;
    const topology = loadBalancers === undefined ? "daemonset" : "external";
    const cluster = new DemoCluster(
      lab,
      DEFAULT_PORTS,
      CONTROL_PLANE_NODES,
      topology,
      loadBalancers,
    );
    const changeSettings = async () => {
      this.configure(CONTROL_PLANE_NODES, { haproxy: { timeouts: { queue: "2500ms" } } });
      await engine.up();
    };
    const { drains = DEFAULT_DRAINS } = layout;
    this.context = { cluster, load, signal, log: () => undefined, changeSettings, drains };
    this.endpoint = endpointOf(lab, layout);
  }

  /** The stack and the load are there; no machine has been touched. */
  static async create(lab: Lab, layout: Layout = PODS): Promise<ControlPlane> {
    const config = configOf(lab, layout, CONTROL_PLANE_NODES);
    const printed: string[] = [];
    const engine = await Engine.create({
      program,
      projectFile: "Pulumi.yaml",
      stack: layout.stack,
      config,
      log: (text) => printed.push(text),
    });
    const load = startLoad({ endpoint: endpointOf(lab, layout), firstPhase: "bring-up" });
    return new ControlPlane(lab, engine, load, printed, layout, config);
  }

  async dispose(): Promise<void> {
    await this.load.kill();
    await this.engine.dispose();
  }

  address(name: string): string {
    return addressOf(this.lab, name);
  }

  /** Changes the configuration: other control-plane nodes, other settings. */
  configure(names: readonly string[], overrides: ClusterOverrides = {}): void {
    this.config = configOf(this.lab, this.layout, names, overrides);
    this.engine.setConfig(this.config);
  }

  /** `nodes` of the configuration, `extra` by name. */
  nodes(names: readonly string[], extra: Readonly<Record<string, object>> = {}) {
    return nodesOf(this.lab, names, extra);
  }

  kubectl(machine: string, command: string): Promise<string> {
    return kubectl(this.lab, machine, command);
  }

  /** Checksum of a control-plane node's cluster CA: another one is another cluster. */
  async caOf(name: string): Promise<string> {
    return (await this.lab.exec(name, "sha256sum </etc/kubernetes/pki/ca.crt")).stdout;
  }

  /** Runs `action` as a phase of the load, which meets at least 20 requests after it too. */
  async underLoad(name: string, action: () => Promise<unknown>): Promise<PhaseReport> {
    await this.load.phase(name, { ...this.way(), reconnect: true });
    await action();
    const before = (await this.load.current()).ok;
    await eventually(`20 more requests in ${name}`, 60, async () => {
      return (await this.load.current()).ok >= before + 20;
    });
    return this.endPhase(name);
  }

  /** Ends the phase that runs and gives its report, when each request of it has its outcome. */
  async endPhase(name: string): Promise<PhaseReport> {
    await this.load.phase(BETWEEN, this.way());
    const report = (await this.load.phases()).findLast((phase) => phase.name === name);
    assert.ok(report !== undefined, `no phase ${name}`);
    return report;
  }

  private way(): PhaseOptions {
    const { through } = this;
    if (through === undefined) return {};
    const { port } = this.endpoint;
    return { through: through.map((name) => ({ host: this.address(name), port })) };
  }

  /** HAProxy itself, and not the forward, has the LB port of these machines. */
  async haproxyServes(...names: readonly string[]): Promise<boolean> {
    for (const name of names) {
      const { stdout } = await this.lab.exec(name, "ss -Hltnp 'sport = :6444'");
      const own = stdout.split("\n").some((line) => {
        return line.includes(`${this.address(name)}:6444`) && line.includes("haproxy");
      });
      if (!own) return false;
    }
    return true;
  }

  /** What `npm run status` knows of each machine that runs HAProxy. */
  status(): Promise<HostStatus[]> {
    const texts = Object.entries(this.config).map(([key, given]) => {
      const value = typeof given === "object" ? given.value : given;
      const text = typeof value === "string" ? value : JSON.stringify(value);
      return [`control-plane-lb:${key}`, text] as const;
    });
    return askHosts(settingsFromConfig(Object.fromEntries(texts), "control-plane-lb"));
  }

  /** Takes the pods of HAProxy away from all control-plane nodes while `action` runs. */
  async withoutHaproxy(action: () => Promise<void>): Promise<void> {
    const selector = (value: string) =>
      `{"spec":{"template":{"spec":{"nodeSelector":{"test/absent":${value}}}}}}`;
    const patch = (value: string) =>
      this.kubectl("m1", `-n kube-system patch daemonset control-plane-lb -p '${selector(value)}'`);
    await patch('"yes"');
    try {
      await eventually("no HAProxy", 180, async () => {
        const states = await Promise.all(
          CONTROL_PLANE_NODES.map((name) => this.haproxyServes(name)),
        );
        return !states.some(Boolean);
      });
      await action();
    } finally {
      await patch("null");
      await eventually("HAProxy again", 180, () => this.haproxyServes(...CONTROL_PLANE_NODES));
    }
  }

  /** Stops the API server of a machine, as kubelet does, while `action` runs. */
  async withoutApiServer(name: string, action: () => Promise<void>): Promise<void> {
    const manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml";
    await this.lab.exec(name, `mv ${manifest} /root/`);
    try {
      await eventually(`no API server on ${name}`, 240, async () => {
        const { stdout } = await this.lab.exec(name, "ss -Hltn 'sport = :6443'");
        return stdout.trim() === "";
      });
      await action();
    } finally {
      // it has closed its port and lives on for the 30 s that kubelet gives it; the next one waits for its end
      const end = "kill -KILL $(pidof kube-apiserver) 2>/dev/null || :";
      await this.lab.exec(name, `${end}; mv /root/kube-apiserver.yaml ${manifest}`);
      await eventually(`API server on ${name}`, 240, async () => {
        await this.kubectl(name, "get --raw /readyz");
        return true;
      });
      // kubelet waits longer and longer before it asks its API server again, and meanwhile neither ends nor starts a pod
      await this.lab.exec(name, "systemctl restart kubelet");
    }
  }
}

/** No request failed in a phase, and there were some. */
export function assertNothingFailed(report: PhaseReport): void {
  assert.deepEqual(report.failures, [], `${report.name}: requests failed`);
  assert.ok(report.ok > 0, "there was no load");
}

type Config = Record<string, ConfigValue>;

function configOf(
  lab: Lab,
  { settings }: Layout,
  names: readonly string[],
  { nodes = nodesOf(lab, names), ...overrides }: ClusterOverrides = {},
): Config {
  return clusterConfig(lab, { ...(merge(settings, overrides) as ClusterOverrides), nodes });
}

function nodesOf(lab: Lab, names: readonly string[], extra: Readonly<Record<string, object>> = {}) {
  return Object.fromEntries(
    names.map((name) => [name, { address: addressOf(lab, name), ...extra[name] }]),
  );
}

function endpointOf(lab: Lab, { loadBalancers = CONTROL_PLANE_NODES }: Layout): Endpoint {
  return { host: addressOf(lab, loadBalancers[0]!), port: DEFAULT_PORTS.lb };
}

function addressOf(lab: Lab, name: string): string {
  const machine = lab.machines.find((candidate) => candidate.name === name);
  assert.ok(machine !== undefined, `no machine ${name}`);
  return machine.address;
}
