import { setTimeout as sleep } from "node:timers/promises";
import { type ScenarioContext } from "../scenario/context";
import { daemonsetScenarios } from "../scenario/scenarios";
import type { Lab } from "../../lab/src/index";
import { ApiClient } from "./api-client";
import { requireLabRoute } from "../load/lab-route";
import { HaproxyView } from "../scenario/haproxy-view";
import { addAliases, BACKENDS_PATH, Changer, SLICE_PATH, type Measured } from "./backend-changes";
import type { Cost, Series } from "./report";
import { Alternatives, type Alternative } from "./alternatives";
import { untilAllRead } from "./statistics";

const ALIASES = 100;
const RELOADS = 10;
const RESTARTS = 2;

/** Pause between two changes: short, and random so that it matches no other interval. */
const PAUSE_MS = { least: 100, spread: 400 };

/** Kubelet updates its volumes within this time, so the last changes are measured too. */
const VOLUME_MS = 100_000;

/** The results of one measurement. */
export interface Measurement {
  readonly series: Series[];
  readonly cost: Cost;
}

/** The measurements of the benchmark, on a healthy cluster under load. */
export class Measurements {
  readonly api: ApiClient;
  private readonly controlPlaneNodes: readonly { name: string; address: string }[];

  constructor(
    private readonly lab: Lab,
    private readonly context: ScenarioContext,
    kubeconfig: string,
  ) {
    this.controlPlaneNodes = context.cluster.controlPlaneNodes;
    // straight to an API server, so that no load balancer is part of the measurement
    this.api = new ApiClient(kubeconfig, {
      host: this.controlPlaneNodes[0]!.address,
      port: this.apiPort,
    });
  }

  /**
   * Changes of the ConfigMap: nodes removed, put back and moved in turn; the alternatives observe
   * the same changes.
   */
  async configMap(changes: number): Promise<Measurement> {
    const { name, address } = this.last;
    const aliases = await addAliases(this.lab, name, ALIASES);
    const stop = new AbortController();
    const alternatives = new Alternatives(this.api, stop.signal);
    for (const seconds of [5, 10])
      alternatives.poll(seconds, this.controlPlaneNodes.length, BACKENDS_PATH);
    alternatives.volume(this.lab, this.names, "seed");
    const changer = await this.changer();
    const measured: Measured[] = [];
    const cost = await this.cost("runtime API (ConfigMap)", async () => {
      for (let turn = 0; measured.length < changes; turn += 1) {
        const alias = aliases[turn % aliases.length]!;
        for (const change of [
          () => changer.remove(name, address),
          () => changer.putBack(name, address),
          () => changer.move(alias),
        ]) {
          measured.push(await change());
          await pause();
        }
        if (turn % 20 === 0) this.context.log(`${measured.length} of ${changes} changes`);
      }
      return measured.length;
    });
    this.context.log("waiting for kubelet to update its volumes");
    await sleep(VOLUME_MS);
    stop.abort();
    await alternatives.end();
    await this.api.mergePatch(BACKENDS_PATH, { data: { moving: null } });
    return {
      series: [
        ...updaterSeries("configMap", measured),
        ...alternativeSeries(alternatives.all, measured),
      ],
      cost,
    };
  }

  /** Additions to the EndpointSlice. */
  async endpoints(changes: number): Promise<Measurement> {
    const aliases = await addAliases(this.lab, this.last.name, ALIASES);
    const changer = await this.changer();
    const { endpoints } = (await this.api.get(SLICE_PATH)) as { endpoints: unknown[] };
    const measured: Measured[] = [];
    const cost = await this.cost("runtime API (EndpointSlice)", async () => {
      for (let index = 0; index < Math.min(changes, aliases.length); index += 1) {
        const change = await changer.addEndpoint(aliases[index]!, endpoints);
        if (change === undefined) this.context.log("an API server undid a change: not measured");
        else measured.push(change);
        await pause();
      }
      return measured.length;
    });
    return { series: updaterSeries("endpoints", measured), cost };
  }

  /** Reloads of every load balancer under load. */
  async reloads(): Promise<Cost> {
    return this.cost("reload", async () => {
      for (let index = 0; index < RELOADS; index += 1) {
        for (const view of await this.views()) await view.master.reload();
        await pause();
      }
      return RELOADS * this.controlPlaneNodes.length;
    });
  }

  /** Restarts: all pods of HAProxy deleted at once. */
  async restarts(): Promise<Cost> {
    const scenario = daemonsetScenarios(this.controlPlaneNodes, this.apiPort).find(
      ({ name }) => name === "pods deleted",
    )!;
    return this.cost("restart (pod deleted)", async () => {
      for (let index = 0; index < RESTARTS; index += 1) await scenario.run(this.context);
      return RESTARTS * this.controlPlaneNodes.length;
    });
  }

  private get last() {
    return this.controlPlaneNodes.at(-1)!;
  }

  private get names(): string[] {
    return this.controlPlaneNodes.map(({ name }) => name);
  }

  private get apiPort(): number {
    return this.context.cluster.ports.api;
  }

  private views(): Promise<HaproxyView[]> {
    return Promise.all(this.names.map((name) => HaproxyView.connect(this.lab, name)));
  }

  private async changer(): Promise<Changer> {
    return new Changer(this.api, await this.views(), this.apiPort);
  }

  /** Effect of `operations` on clients, in a phase of the load of their own. */
  private async cost(name: string, operations: () => Promise<number>): Promise<Cost> {
    const { load, log } = this.context;
    log(`phase: ${name}`);
    const before = await this.reloadCount();
    await load.phase(name, { reconnect: true });
    const count = await operations();
    await load.phase("between");
    const report = (await load.phases()).find((phase) => phase.name === name)!;
    const reloads = (await this.reloadCount()) - before;
    const { sent, failed, watchBreaks, missedEvents, longestGapMs } = report;
    return { name, count, sent, failed, watchBreaks, missedEvents, longestGapMs, reloads };
  }

  /** Reloads that the updaters have made. */
  private async reloadCount(): Promise<number> {
    const { ports } = this.context.cluster;
    const counts = await Promise.all(
      this.controlPlaneNodes.map(async ({ address }) => {
        requireLabRoute(address);
        const response = await fetch(`http://${address}:${ports.health}/updater/metrics`);
        return Number(/_reloads_total (\d+)/.exec(await response.text())?.[1] ?? 0);
      }),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }
}

function updaterSeries(discovery: string, measured: readonly Measured[]): Series[] {
  const kinds = [...new Set(measured.map(({ kind }) => kind))];
  const all = { name: `updater, ${discovery}: all changes`, times: measured.map(({ ms }) => ms) };
  if (kinds.length === 1) return [all];
  return [
    all,
    ...kinds.map((kind) => ({
      name: `updater, ${discovery}: ${kind}`,
      times: measured.filter((one) => one.kind === kind).map(({ ms }) => ms),
    })),
  ];
}

function alternativeSeries(
  alternatives: readonly Alternative[],
  measured: readonly Measured[],
): Series[] {
  const acknowledged = measured.map((one) => one.acknowledged);
  return alternatives.map(({ name, reads }) => ({
    name,
    times: untilAllRead(acknowledged, reads),
  }));
}

async function pause(): Promise<void> {
  await sleep(PAUSE_MS.least + Math.random() * PAUSE_MS.spread);
}
