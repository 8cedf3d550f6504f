import { setTimeout as sleep } from "node:timers/promises";
import { scenarios, type ScenarioContext } from "../scenario/scenarios";
import type { Lab } from "../../lab/src/index";
import { Api } from "./api";
import { HaproxyView } from "../scenario/haproxy-view";
import { addAliases, BACKENDS_PATH, Changer, SLICE_PATH, type Measured } from "./changes";
import type { Cost, Series } from "./report";
import { Rivals, type Rival } from "./rivals";
import { untilAllLooked } from "./statistics";

const ALIASES = 100;
const RELOADS = 10;
const RESTARTS = 2;

/** Between two changes: no longer than an impatient operator takes, and never in step with anything that ticks. */
const PAUSE_MS = { least: 100, spread: 400 };

/** Kubelet's volumes follow within this, so that the last changes get their figure too. */
const VOLUME_MS = 100_000;

/** What is measured together. */
export interface Part {
  readonly series: Series[];
  readonly cost: Cost;
}

/** The parts of the benchmark, on a cluster that is whole and under load. */
export class Bench {
  readonly api: Api;
  private readonly controlPlaneNodes: readonly { name: string; address: string }[];

  constructor(
    private readonly lab: Lab,
    private readonly context: ScenarioContext,
    kubeconfig: string,
  ) {
    this.controlPlaneNodes = context.cluster.controlPlaneNodes;
    // its own API server, so that no load balancer stands in the measured way
    this.api = new Api(kubeconfig, {
      host: this.controlPlaneNodes[0]!.address,
      port: this.apiPort,
    });
  }

  /** Changes of the ConfigMap: removed, put back and moved control-plane nodes in turn; the rivals see the same changes. */
  async configMap(changes: number): Promise<Part> {
    const { name, address } = this.last;
    const aliases = await addAliases(this.lab, name, ALIASES);
    const stop = new AbortController();
    const rivals = new Rivals(this.api, stop.signal);
    for (const seconds of [5, 10])
      rivals.poll(seconds, this.controlPlaneNodes.length, BACKENDS_PATH);
    rivals.volume(this.lab, this.names, "seed");
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
    this.context.log("waiting for kubelet's volumes");
    await sleep(VOLUME_MS);
    stop.abort();
    await rivals.end();
    await this.api.mergePatch(BACKENDS_PATH, { data: { moving: null } });
    return { series: [...ours("configMap", measured), ...theirs(rivals.all, measured)], cost };
  }

  /** Additions to the EndpointSlice. */
  async endpoints(changes: number): Promise<Part> {
    const aliases = await addAliases(this.lab, this.last.name, ALIASES);
    const changer = await this.changer();
    const { endpoints } = (await this.api.get(SLICE_PATH)) as { endpoints: unknown[] };
    const measured: Measured[] = [];
    const cost = await this.cost("runtime API (EndpointSlice)", async () => {
      for (let index = 0; index < Math.min(changes, aliases.length); index += 1) {
        const change = await changer.addEndpoint(aliases[index]!, endpoints);
        if (change === undefined)
          this.context.log("an API server has undone a change: not measured");
        else measured.push(change);
        await pause();
      }
      return measured.length;
    });
    return { series: ours("endpoints", measured), cost };
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
    const scenario = scenarios(this.controlPlaneNodes, this.apiPort).find(
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
    return Promise.all(this.names.map((name) => HaproxyView.of(this.lab, name)));
  }

  private async changer(): Promise<Changer> {
    return new Changer(this.api, await this.views(), this.apiPort);
  }

  /** What clients notice of `operations`, in a phase of the load of its own. */
  private async cost(name: string, operations: () => Promise<number>): Promise<Cost> {
    const { load, log } = this.context;
    log(`phase: ${name}`);
    const before = await this.reloadCount();
    await load.phase(name, { reconnect: true });
    const count = await operations();
    await load.phase("between");
    const report = (await load.phases()).find((phase) => phase.name === name)!;
    const reloads = (await this.reloadCount()) - before;
    const { sent, failed, watchBreaks, missedEvents, maxGapMs } = report;
    return { name, count, sent, failed, watchBreaks, missedEvents, maxGapMs, reloads };
  }

  /** Reloads that the updaters have made. */
  private async reloadCount(): Promise<number> {
    const { ports } = this.context.cluster;
    const counts = await Promise.all(
      this.controlPlaneNodes.map(async ({ address }) => {
        const answer = await fetch(`http://${address}:${ports.health}/updater/metrics`);
        return Number(/_reloads_total (\d+)/.exec(await answer.text())?.[1] ?? 0);
      }),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }
}

function ours(discovery: string, measured: readonly Measured[]): Series[] {
  const kinds = [...new Set(measured.map(({ kind }) => kind))];
  const all = { name: `ours, ${discovery}: all changes`, times: measured.map(({ ms }) => ms) };
  if (kinds.length === 1) return [all];
  return [
    all,
    ...kinds.map((kind) => ({
      name: `ours, ${discovery}: ${kind}`,
      times: measured.filter((one) => one.kind === kind).map(({ ms }) => ms),
    })),
  ];
}

function theirs(rivals: readonly Rival[], measured: readonly Measured[]): Series[] {
  const acknowledged = measured.map((one) => one.acknowledged);
  return rivals.map(({ name, looks }) => ({ name, times: untilAllLooked(acknowledged, looks) }));
}

async function pause(): Promise<void> {
  await sleep(PAUSE_MS.least + Math.random() * PAUSE_MS.spread);
}
