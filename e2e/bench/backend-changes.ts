import type { Lab } from "../../lab/src/index";
import { BACKENDS_CONFIG_MAP, NAMESPACE } from "../../names";
import type { ApiClient } from "./api-client";
import type { HaproxyView } from "../scenario/haproxy-view";

/** Path of the ConfigMap with the backends. */
export const BACKENDS_PATH = `/api/v1/namespaces/${NAMESPACE}/configmaps/${BACKENDS_CONFIG_MAP}`;

/** Path of the API's own list of its servers. */
export const SLICE_PATH = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes";

/** The measured kinds of changes. */
export type ChangeKind = "node removed" | "node put back" | "node at a new address";

/** Time until all load balancers route by a change, in ms since it was acknowledged. */
export interface Measured {
  readonly kind: ChangeKind;
  /** performance.now() of the acknowledgement. */
  readonly acknowledged: number;
  readonly ms: number;
}

const SECONDS = 30;

/** A change not seen by then was undone, or it is an error. */
const SLICE_SECONDS = 3;

/**
 * Gives a machine more addresses. Its API server answers on each, so each is a backend that really
 * serves.
 */
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
    private readonly api: ApiClient,
    private readonly views: readonly HaproxyView[],
    private readonly port: number,
  ) {}

  /** Removes a control-plane node's key from the ConfigMap. */
  remove(key: string, address: string): Promise<Measured> {
    return this.patchKeys("node removed", { [key]: null }, (routes) => !this.has(routes, address));
  }

  putBack(key: string, address: string): Promise<Measured> {
    const data = { [key]: this.target(address) };
    return this.patchKeys("node put back", data, (routes) => this.has(routes, address));
  }

  /** Changes the key `moving` to an address that no load balancer knows yet. */
  move(address: string): Promise<Measured> {
    const former = this.previous;
    this.previous = address;
    return this.patchKeys(
      "node at a new address",
      { moving: this.target(address) },
      (routes) => this.has(routes, address) && (former === undefined || !this.has(routes, former)),
    );
  }

  /**
   * Adds an address to the EndpointSlice of the API's own Service.
   * @returns undefined when an API server removed it again before it was seen: each writes its own
   * list every 10 s
   */
  async addEndpoint(address: string, endpoints: readonly unknown[]): Promise<Measured | undefined> {
    const more = [...endpoints, { addresses: [address], conditions: { ready: true } }];
    const acknowledged = await this.api.mergePatch(SLICE_PATH, { endpoints: more });
    const there = (routes: ReadonlySet<string>) => this.has(routes, address);
    try {
      return await this.settled("node at a new address", acknowledged, there, SLICE_SECONDS);
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
    const seen = await Promise.all(this.views.map((view) => view.waitForRoutes(desired, seconds)));
    return { kind, acknowledged, ms: Math.max(...seen) - acknowledged };
  }

  private has(routes: ReadonlySet<string>, address: string): boolean {
    return routes.has(this.target(address));
  }

  private target(address: string): string {
    return `${address}:${this.port}`;
  }
}
