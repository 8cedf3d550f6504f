import type { Lab } from "../../lab/src/index";
import { BACKENDS_CONFIG_MAP, NAMESPACE } from "../../names";
import type { Api } from "./api";
import type { HaproxyView } from "../scenario/haproxy-view";

/** Path of the ConfigMap with the backends. */
export const BACKENDS_PATH = `/api/v1/namespaces/${NAMESPACE}/configmaps/${BACKENDS_CONFIG_MAP}`;

/** Path of the API's own list of its servers. */
export const SLICE_PATH = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes";

/** Kinds of changes that are measured. */
export type ChangeKind = "master removed" | "master put back" | "master at a new address";

/** Time until all load balancers route by a change, in ms since it was acknowledged. */
export interface Measured {
  readonly kind: ChangeKind;
  /** performance.now() of the acknowledgement. */
  readonly acknowledged: number;
  readonly ms: number;
}

const SECONDS = 30;

/** What is not seen by then was undone, or is a fault. */
const SLICE_SECONDS = 3;

/** Addresses that a machine has besides its own: its API server answers at each, so each is a backend that really serves. */
export async function addAliases(lab: Lab, machine: string, count: number): Promise<string[]> {
  const base = lab.gateway.split(".").slice(0, 3).join(".");
  const addresses = Array.from({ length: count }, (_, index) => `${base}.${101 + index}`);
  await lab.exec(
    machine,
    addresses.map((address) => `ip address replace ${address}/32 dev eth0`).join("\n"),
  );
  return addresses;
}

/** Changes the backends and waits until every load balancer routes by the change. */
export class Changer {
  private previous: string | undefined;

  constructor(
    private readonly api: Api,
    private readonly views: readonly HaproxyView[],
    private readonly port: number,
  ) {}

  /** Takes a control-plane node's key out of the ConfigMap. */
  remove(key: string, address: string): Promise<Measured> {
    return this.patchKeys(
      "master removed",
      { [key]: null },
      (routes) => !this.has(routes, address),
    );
  }

  putBack(key: string, address: string): Promise<Measured> {
    const data = { [key]: this.target(address) };
    return this.patchKeys("master put back", data, (routes) => this.has(routes, address));
  }

  /** Moves the key `moving` to an address that no load balancer knows. */
  move(address: string): Promise<Measured> {
    const former = this.previous;
    this.previous = address;
    return this.patchKeys(
      "master at a new address",
      { moving: this.target(address) },
      (routes) => this.has(routes, address) && (former === undefined || !this.has(routes, former)),
    );
  }

  /**
   * Adds an address to the EndpointSlice of the API's own Service.
   * @returns undefined when an API server took it out again before it was seen: each writes its own list every 10 s
   */
  async addEndpoint(address: string, endpoints: readonly unknown[]): Promise<Measured | undefined> {
    const more = [...endpoints, { addresses: [address], conditions: { ready: true } }];
    const acknowledged = await this.api.mergePatch(SLICE_PATH, { endpoints: more });
    const there = (routes: ReadonlySet<string>) => this.has(routes, address);
    try {
      return await this.settled("master at a new address", acknowledged, there, SLICE_SECONDS);
    } catch (error) {
      if (!JSON.stringify(await this.api.get(SLICE_PATH)).includes(`"${address}"`))
        return undefined;
      throw error;
    }
  }

  private async patchKeys(
    kind: ChangeKind,
    data: Readonly<Record<string, string | null>>,
    desired: (routes: ReadonlySet<string>) => boolean,
  ): Promise<Measured> {
    const acknowledged = await this.api.mergePatch(BACKENDS_PATH, { data });
    return this.settled(kind, acknowledged, desired);
  }

  private async settled(
    kind: ChangeKind,
    acknowledged: number,
    desired: (routes: ReadonlySet<string>) => boolean,
    seconds = SECONDS,
  ): Promise<Measured> {
    const seen = await Promise.all(this.views.map((view) => view.settles(desired, seconds)));
    return { kind, acknowledged, ms: Math.max(...seen) - acknowledged };
  }

  private has(routes: ReadonlySet<string>, address: string): boolean {
    return routes.has(this.target(address));
  }

  private target(address: string): string {
    return `${address}:${this.port}`;
  }
}
