import assert from "node:assert/strict";
import type { BackendState } from "../../../haproxy/model";
import {
  chooseRound,
  orderApiServers,
  type KnownApiServers,
} from "../../../updater/sources/api-server-order";

const at = (address: string, port = 6443) => ({ address, port });
const backend = (address: string, state: BackendState, port = 6443) => ({
  ...at(address, port),
  state,
});
const order = (known: Partial<KnownApiServers> & Pick<KnownApiServers, "here">): string[] =>
  orderApiServers({ backends: [], answered: [], initial: [], ...known }).map(
    ({ address, port }) => `${address}:${port}`,
  );

describe("orderApiServers", () => {
  const m1 = backend("10.0.0.1", "ready");
  const m2 = backend("10.0.0.2", "alive");
  const elsewhere = at("10.0.0.9");

  it("puts the host's own first", () => {
    assert.deepEqual(order({ here: at("10.0.0.2"), backends: [m1, m2] }), [
      "10.0.0.2:6443",
      "10.0.0.1:6443",
    ]);
  });

  it("puts those that are down last, the host's own too", () => {
    const dead = backend("10.0.0.2", "down");
    assert.deepEqual(order({ here: at("10.0.0.2"), backends: [dead, m1] }), [
      "10.0.0.1:6443",
      "10.0.0.2:6443",
    ]);
  });

  it("puts a host that is no backend behind the backends that are up", () => {
    const dead = backend("10.0.0.2", "down");
    assert.deepEqual(order({ here: elsewhere, backends: [m1, dead] }), [
      "10.0.0.1:6443",
      "10.0.0.9:6443",
      "10.0.0.2:6443",
    ]);
  });

  it("puts a host without an API server behind those that have answered and the configured ones", () => {
    const backends = [backend("10.0.0.1", "unknown"), backend("10.0.0.2", "unknown")];
    const known = { backends, answered: [at("10.0.0.3")], initial: [at("10.0.0.4")] };
    assert.deepEqual(order({ here: elsewhere, ...known }).slice(0, 3), [
      "10.0.0.3:6443",
      "10.0.0.4:6443",
      "10.0.0.9:6443",
    ]);
  });

  it("puts a backend that has answered before first, although HAProxy has not checked it yet", () => {
    const backends = [backend("10.0.0.1", "unknown"), backend("10.0.0.2", "unknown")];
    assert.deepEqual(order({ here: elsewhere, backends, answered: [at("10.0.0.2")] }), [
      "10.0.0.2:6443",
      "10.0.0.9:6443",
      "10.0.0.1:6443",
    ]);
  });

  it("has the host itself when nothing is known", () => {
    assert.deepEqual(order({ here: elsewhere }), ["10.0.0.9:6443"]);
  });

  it("has the host's own API server although its backend has another port", () => {
    const wrong = [backend("10.0.0.1", "down", 6543), backend("10.0.0.2", "down", 6543)];
    assert.deepEqual(order({ here: at("10.0.0.1"), backends: wrong }), [
      "10.0.0.1:6443",
      "10.0.0.1:6543",
      "10.0.0.2:6543",
    ]);
  });

  it("has those that answered before, and the configured ones, before backends that are down", () => {
    assert.deepEqual(
      order({
        here: elsewhere,
        backends: [backend("10.0.0.2", "down", 6543)],
        answered: [at("10.0.0.3")],
        initial: [at("10.0.0.3"), at("10.0.0.4")],
      }),
      ["10.0.0.3:6443", "10.0.0.4:6443", "10.0.0.9:6443", "10.0.0.2:6543"],
    );
  });

  it("has the host's own API server before backends that HAProxy has not checked yet", () => {
    assert.deepEqual(order({ here: elsewhere, backends: [backend("10.0.0.2", "unknown")] }), [
      "10.0.0.9:6443",
      "10.0.0.2:6443",
    ]);
  });

  it("names each API server once", () => {
    const known = { here: at("10.0.0.1"), backends: [m1], answered: [m1], initial: [m1] };
    assert.deepEqual(order(known), ["10.0.0.1:6443"]);
  });
});

describe("chooseRound", () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => at(`10.0.0.${i + 1}`));
  const numbers = (servers: readonly { readonly address: string }[]): number[] =>
    servers.map(({ address }) => Number(address.split(".").at(-1)));

  it("asks all in one round, the one that was lost at the end", () => {
    assert.deepEqual(numbers(chooseRound(many(3), 1)), [1, 2, 3]);
    assert.deepEqual(numbers(chooseRound(many(3), 1, at("10.0.0.1"))), [2, 3, 1]);
  });

  it("asks the best ones of hundreds in every round, and all others in turn", () => {
    const rounds = Array.from({ length: 62 }, (_, i) => numbers(chooseRound(many(256), i + 1)));
    for (const round of rounds) {
      assert.deepEqual(round.slice(0, 8), [1, 2, 3, 4, 5, 6, 7, 8]);
      assert.ok(round.length <= 12, String(round.length));
    }
    assert.equal(new Set(rounds.flat()).size, 256);
  });
});
