import assert from "node:assert/strict";
import { DEFAULT_DRAINS, type Drains, type ScenarioContext } from "../../../e2e/scenario/context";
import { LabCluster } from "../../../e2e/scenario/lab-cluster";
import { markEtcdElections } from "../../../e2e/scenario/etcd-elections";
import { requireLabRoute } from "../../../e2e/load/lab-route";
import {
  clusterConfig,
  mergeObjects,
  type ClusterOverrides,
} from "../../../e2e/scenario/lab-stack";
import type { Lab } from "../../../lab/src/index";
import {
  startLoad,
  type Target,
  type Load,
  type PhaseOptions,
  type PhaseReport,
} from "../../../e2e/load/load";
import { waitUntil } from "../../../tools/src/index";
import { DEFAULT_PORTS } from "../../../names";
import { Engine, type ConfigValue } from "../../../pulumi-test-utils/src/index";
import { program } from "../../../stacks/program";
import { settingsFromConfig } from "../../../stacks/read-config";
import { askHosts } from "../../../status/ask";
import type { HostStatus } from "../../../status/report";

/** The control-plane nodes of the cluster; the lab has one machine more. */
export const CONTROL_PLANE_NODES: readonly string[] = ["m1", "m2", "m3"];

/** Phase without expectations: a test prepares or cleans up. */
const BETWEEN = "between";

/**
 * With kube-proxy, whose rules share their hooks with the forward's. Its conntrack limit would
 * change the lab's host.
 */
const KUBE_PROXY = {
  skipPhases: ["addon/coredns"],
  kubeProxyConfiguration: { mode: "iptables", conntrack: { maxPerCore: 0 } },
};

/** Where HAProxy runs, and the configuration that all tests share. */
export interface Layout {
  readonly stack: string;
  readonly settings: ClusterOverrides;
  /** The drains that `settings` configures. @default DEFAULT_DRAINS */
  readonly drains?: Drains;
  /**
   * Load-balancer hosts outside the control plane; the first one is the endpoint.
   * @default pods on the control-plane nodes
   */
  readonly loadBalancers?: readonly string[];
}

/** Shorter than the defaults, because tests wait for the last connection. */
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

/** A control plane on a lab, created by the real engine, under load from the first answer on. */
export class ControlPlane {
  readonly context: ScenarioContext;
  readonly endpoint: Target;
  /** Machines whose load balancers the load uses. Undefined: the endpoint */
  through: readonly string[] | undefined;

  private constructor(
    readonly lab: Lab,
    readonly engine: Engine,
    readonly load: Load,
    /** Everything that the engine has printed, unfiltered. */
    readonly printed: readonly string[],
    private readonly layout: Layout,
    private config: Config,
  ) {
    const signal = new AbortController().signal;
    const { loadBalancers } = layout;
    const topology = loadBalancers === undefined ? "daemonset" : "external";
    const cluster = new LabCluster(
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

  /** Creates the stack and starts the load; changes no machine. */
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
    return this.context.cluster.kubectl(machine, command);
  }

  /** Checksum of the cluster CA on a node: a different one is a different cluster. */
  async caOf(name: string): Promise<string> {
    return (await this.lab.exec(name, "sha256sum </etc/kubernetes/pki/ca.crt")).stdout;
  }

  /** Runs `action` as a phase of the load, with at least 20 answered requests after it. */
  async underLoad(name: string, action: () => Promise<unknown>): Promise<PhaseReport> {
    await this.load.phase(name, { ...this.phaseOptions(), reconnect: true });
    await action();
    const before = (await this.load.current()).ok;
    await waitUntil(`20 more requests in ${name}`, { seconds: 60 }, async () => {
      return (await this.load.current()).ok >= before + 20;
    });
    return this.endPhase(name);
  }

  /** Ends the open phase and returns its report. Prints requests lost to a stall or an election. */
  async endPhase(name: string): Promise<PhaseReport> {
    await this.load.phase(BETWEEN, this.phaseOptions());
    await markEtcdElections(this.context.cluster, this.load);
    const report = (await this.load.phases()).findLast((phase) => phase.name === name);
    assert.ok(report !== undefined, `no phase ${name}`);
    for (const { cause, period, operation, message } of report.lost) {
      if (cause === "in flight") continue;
      const lastedMs = Math.round(period.to - period.from);
      console.log(`      ${name}: ${operation} ${cause} (measured: ${lastedMs} ms): ${message}`);
    }
    return report;
  }

  private phaseOptions(): PhaseOptions {
    const { through } = this;
    if (through === undefined) return {};
    const { port } = this.endpoint;
    return { through: through.map((name) => ({ host: this.address(name), port })) };
  }

  /** True if HAProxy listens on all these machines. */
  async haproxyListens(...names: readonly string[]): Promise<boolean> {
    for (const name of names) {
      if (!(await this.context.cluster.haproxyListens(name))) return false;
    }
    return true;
  }

  /** What `npm run status` reports of each machine that runs HAProxy. */
  status(): Promise<HostStatus[]> {
    for (const { address } of this.lab.machines) requireLabRoute(address);
    const texts = Object.entries(this.config).map(([key, given]) => {
      const value = typeof given === "object" ? given.value : given;
      const text = typeof value === "string" ? value : JSON.stringify(value);
      return [`control-plane-lb:${key}`, text] as const;
    });
    return askHosts(settingsFromConfig(Object.fromEntries(texts), "control-plane-lb"));
  }

  /** Removes the pods of HAProxy from all control-plane nodes while `action` runs. */
  async withoutHaproxy(action: () => Promise<void>): Promise<void> {
    const selector = (value: string) =>
      `{"spec":{"template":{"spec":{"nodeSelector":{"test/absent":${value}}}}}}`;
    const patch = (value: string) =>
      this.kubectl("m1", `-n kube-system patch daemonset control-plane-lb -p '${selector(value)}'`);
    await patch('"yes"');
    try {
      await waitUntil("no HAProxy", { seconds: 180 }, async () => {
        const states = await Promise.all(
          CONTROL_PLANE_NODES.map((name) => this.haproxyListens(name)),
        );
        return !states.some(Boolean);
      });
      await action();
    } finally {
      await patch("null");
      await waitUntil("HAProxy again", { seconds: 180 }, () =>
        this.haproxyListens(...CONTROL_PLANE_NODES),
      );
    }
  }

  /** Stops the API server of a machine, as kubelet does, while `action` runs. */
  async withoutApiServer(name: string, action: () => Promise<void>): Promise<void> {
    const manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml";
    await this.lab.exec(name, `mv ${manifest} /root/`);
    try {
      await waitUntil(`no API server on ${name}`, { seconds: 240 }, async () => {
        const { stdout } = await this.lab.exec(name, "ss -Hltn 'sport = :6443'");
        return stdout.trim() === "";
      });
      await action();
    } finally {
      // its port is closed, but it lives on for kubelet's 30 s, and the next one waits for its end
      const end = "kill -KILL $(pidof kube-apiserver) 2>/dev/null || :";
      await this.lab.exec(name, `${end}; mv /root/kube-apiserver.yaml ${manifest}`);
      await waitUntil(`API server on ${name}`, { seconds: 240 }, async () => {
        await this.kubectl(name, "get --raw /readyz");
        return true;
      });
      // kubelet's back-off towards its API server has grown; until its next attempt it neither ends
      // nor starts a pod
      await this.lab.exec(name, "systemctl restart kubelet");
    }
  }
}

/** Asserts that no request of a phase failed and that some were answered. */
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
  return clusterConfig(lab, { ...(mergeObjects(settings, overrides) as ClusterOverrides), nodes });
}

function nodesOf(lab: Lab, names: readonly string[], extra: Readonly<Record<string, object>> = {}) {
  return Object.fromEntries(
    names.map((name) => [name, { address: addressOf(lab, name), ...extra[name] }]),
  );
}

function endpointOf(lab: Lab, { loadBalancers = CONTROL_PLANE_NODES }: Layout): Target {
  return { host: addressOf(lab, loadBalancers[0]!), port: DEFAULT_PORTS.lb };
}

function addressOf(lab: Lab, name: string): string {
  const machine = lab.machines.find((candidate) => candidate.name === name);
  assert.ok(machine !== undefined, `no machine ${name}`);
  return machine.address;
}
