import { ApiServer, type Orders } from "./api-server";
import type { Certificates } from "./certificates";
import type { Machine } from "./machines";

export const TOKEN = "test-token";

/** Fake API servers that agree on one ConfigMap and one EndpointSlice. */
export class FakeControlPlane {
  readonly servers = new Map<string, ApiServer>();
  readonly #certificates: Certificates;
  #revision = 1;
  #data: Record<string, string> | null = null;
  #slice: readonly string[] | null = null;

  constructor(certificates: Certificates) {
    this.#certificates = certificates;
  }

  async add(
    name: string,
    orders: Orders = {},
    port?: number,
    machine?: Machine,
    certificates = this.#certificates,
  ): Promise<ApiServer> {
    const now: Orders = {
      revision: this.#revision,
      data: this.#data,
      slice: this.#slice,
      ...orders,
    };
    const server = await ApiServer.start(name, certificates, {
      token: TOKEN,
      orders: now,
      ...(port === undefined ? {} : { port }),
      ...(machine === undefined ? {} : { machine }),
    });
    this.servers.set(name, server);
    return server;
  }

  /**
   * Replaces an API server, on its port, by one with another certificate. It stops in order:
   * `isOut` resolves when nobody connects to it any more.
   */
  async renew(
    name: string,
    certificates: Certificates,
    isOut: () => Promise<unknown>,
  ): Promise<void> {
    const former = this.server(name);
    await former.order({ stopping: true });
    await isOut();
    await former.close();
    await former.kill();
    await this.add(name, {}, former.backend.port, undefined, certificates);
  }

  server(name: string): ApiServer {
    const server = this.servers.get(name);
    if (server === undefined) throw new Error(`no server ${name}`);
    return server;
  }

  /** The ConfigMap's data with these servers as backends. */
  data(...names: string[]): Record<string, string> {
    return Object.fromEntries(names.map((name) => [name, this.server(name).address]));
  }

  /** Null: there is no ConfigMap. */
  async setConfigMap(data: Record<string, string> | null): Promise<void> {
    this.#data = data;
    await this.#order({ data });
  }

  /** Null: there is no EndpointSlice. */
  async setSlice(addresses: readonly string[] | null): Promise<void> {
    this.#slice = addresses;
    await this.#order({ slice: addresses });
  }

  /** Events that any API server has got, as JSON. */
  async events(): Promise<string> {
    const reports = await Promise.all([...this.servers.values()].map((server) => server.report()));
    return JSON.stringify(reports.flatMap(({ events }) => events));
  }

  async killAll(): Promise<void> {
    for (const server of this.servers.values()) await server.kill();
  }

  async #order(orders: Orders): Promise<void> {
    this.#revision += 1;
    for (const server of this.servers.values()) {
      await server.order({ ...orders, revision: this.#revision });
    }
  }
}
