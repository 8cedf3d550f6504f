import assert from "node:assert/strict";
import fc from "fast-check";
import { formatBackend, MAX_BACKENDS, parseBackends } from "../../../haproxy/model";

describe("parseBackends", () => {
  const reasons = (data: Record<string, string>): Record<string, string> =>
    Object.fromEntries(parseBackends(data).refused.map(({ key, reason }) => [key, reason]));

  it("reads IPv4 and IPv6, sorted by name, in canonical form", () => {
    const { backends, refused } = parseBackends({
      m2: "[FD00:0:0::1]:6443",
      m1: "10.77.0.11:6443",
    });
    assert.deepEqual(refused, []);
    assert.deepEqual(backends, [
      { name: "m1", address: "10.77.0.11", port: 6443 },
      { name: "m2", address: "fd00::1", port: 6443 },
    ]);
    assert.deepEqual(backends.map(formatBackend), ["10.77.0.11:6443", "[fd00::1]:6443"]);
  });

  it("refuses an invalid entry with its reason, and keeps the others", () => {
    const data = { good: "10.0.0.1:6443", bad: "10.0.0.2" };
    assert.deepEqual(
      parseBackends(data).backends.map(({ name }) => name),
      ["good"],
    );
    assert.match(reasons(data)["bad"] ?? "", /expected ADDRESS:PORT/);
  });

  for (const value of [
    "",
    "10.0.0.1",
    "10.0.0.1:0",
    "10.0.0.1:65536",
    "10.0.0.1:06443",
    "10.0.0.256:6443",
    "10.0.0.01:6443",
    " 10.0.0.1:6443",
    "10.0.0.1:6443\nserver evil 10.0.0.9:1",
    "master-1:6443",
    "fd00::1:6443",
    "[fd00::1]",
    "[fe80::1%eth0]:6443",
    "[10.0.0.1]:6443",
  ]) {
    it(`refuses ${JSON.stringify(value)} as address and port`, () => {
      assert.match(reasons({ m1: value })["m1"] ?? "", /expected ADDRESS:PORT/);
    });
  }

  for (const address of [
    "0.0.0.0",
    "127.0.0.1",
    "127.9.9.9",
    "169.254.1.1",
    "224.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[fe80::1]",
    "[ff02::1]",
    "[::ffff:10.0.0.1]",
  ]) {
    it(`refuses ${address}: other machines cannot reach it`, () => {
      assert.match(reasons({ m1: `${address}:6443` })["m1"] ?? "", /is a loopback/);
    });
  }

  it("refuses an address that another key has, also in another spelling", () => {
    const data = { m1: "[fd00::1]:6443", m2: "[fd00:0::1]:6443", m3: "[fd00::1]:6444" };
    assert.deepEqual(reasons(data), { m2: "same address and port as m1" });
  });

  it("refuses keys that are not node names, and long values", () => {
    const found = reasons({
      "M 1": "10.0.0.1:6443",
      _x: "10.0.0.2:6443",
      m1: "1".repeat(1000),
    });
    assert.match(found["M 1"] ?? "", /^key:/);
    assert.match(found["_x"] ?? "", /^key:/);
    assert.match(found["m1"] ?? "", /longer than 64/);
    const [entry] = parseBackends({ m1: "1".repeat(1000) }).refused;
    assert.equal(entry?.value.length, 80);
  });

  it("accepts MAX_BACKENDS backends", () => {
    const data = Object.fromEntries(
      Array.from({ length: MAX_BACKENDS + 2 }, (_, i) => [
        `m${100 + i}`,
        `10.0.${i >> 8}.${i & 255}:6443`,
      ]),
    );
    const { backends, refused } = parseBackends(data);
    assert.equal(backends.length, MAX_BACKENDS);
    assert.deepEqual(
      refused.map(({ reason }) => reason),
      Array(2).fill(`more than ${MAX_BACKENDS} backends`),
    );
  });

  it("accepts or refuses each entry of any ConfigMap, in any order", () => {
    const value = fc.oneof(
      fc.string(),
      fc.tuple(fc.ipV4(), fc.nat(70_000)).map(([ip, port]) => `${ip}:${port}`),
      fc.tuple(fc.ipV6(), fc.nat(70_000)).map(([ip, port]) => `[${ip}]:${port}`),
    );
    const key = fc.oneof(fc.string(), fc.stringMatching(/^m[0-9]{1,2}$/));
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(key, value), { selector: ([k]) => k }), (entries) => {
        const { backends, refused } = parseBackends(Object.fromEntries(entries));
        assert.equal(backends.length + refused.length, entries.length);
        assert.deepEqual(parseBackends(Object.fromEntries([...entries].reverse())), {
          backends,
          refused,
        });
        const again = Object.fromEntries(backends.map((it) => [it.name, formatBackend(it)]));
        assert.deepEqual(parseBackends(again), { backends, refused: [] });
      }),
    );
  });
});
