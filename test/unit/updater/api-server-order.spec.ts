import assert from "node:assert/strict";
import { orderApiServers } from "../../../updater/sources/api-server-order";

const backend = (address: string, state: "ready" | "alive" | "down" | "draining" | "unknown") => ({
  address,
  port: 6443,
  state,
});
const order = (here: string, ...backends: ReturnType<typeof backend>[]): string[] =>
  orderApiServers(backends, { address: here, port: 6443 }).map(({ address }) => address);

describe("orderApiServers", () => {
  const m1 = backend("10.0.0.1", "ready");
  const m2 = backend("10.0.0.2", "alive");

  it("puts the host's own first", () => {
    assert.deepEqual(order("10.0.0.2", m1, m2), ["10.0.0.2", "10.0.0.1"]);
  });

  it("puts those that are down last, the host's own too", () => {
    const dead = backend("10.0.0.2", "down");
    assert.deepEqual(order("10.0.0.2", dead, m1), ["10.0.0.1", "10.0.0.2"]);
  });

  it("puts the host itself last when it is no backend", () => {
    const dead = backend("10.0.0.2", "down");
    assert.deepEqual(order("10.0.0.9", m1, dead), ["10.0.0.1", "10.0.0.2", "10.0.0.9"]);
  });

  it("has the host itself when nothing is known", () => {
    assert.deepEqual(order("10.0.0.9"), ["10.0.0.9"]);
  });
});
