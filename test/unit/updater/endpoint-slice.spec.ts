import assert from "node:assert/strict";
import { readSlice, type EndpointSlice } from "../../../updater/sources/endpoint-slice";

const HTTPS = { name: "https", port: 6443, protocol: "TCP" };
const slice = (
  addresses: readonly string[],
  ports: EndpointSlice["ports"] = [HTTPS],
): EndpointSlice => ({
  endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
  ports,
});
const names = (object: EndpointSlice | undefined): string[] =>
  readSlice(object).backends.map(({ name, port }) => `${name} ${port}`);

describe("readSlice", () => {
  it("reads each endpoint with the port https, named by its address", () => {
    assert.deepEqual(readSlice(slice(["10.0.0.2", "10.0.0.1"])), {
      backends: [
        { name: "10.0.0.1", address: "10.0.0.1", port: 6443 },
        { name: "10.0.0.2", address: "10.0.0.2", port: 6443 },
      ],
      refused: [],
    });
  });

  it("has an IPv6 server once, in canonical form", () => {
    assert.deepEqual(names(slice(["FD00:0::1", "fd00::1"])), ["fd00::1 6443"]);
  });

  it("omits endpoints that are not ready; unknown readiness is ready", () => {
    const endpoints = [
      { addresses: ["10.0.0.1"], conditions: { ready: false } },
      { addresses: ["10.0.0.2"], conditions: {} },
      { addresses: ["10.0.0.3"], conditions: { ready: null } },
      { addresses: ["10.0.0.4"] },
      { addresses: [] },
      {},
    ];
    const object = { endpoints, ports: [HTTPS] };
    assert.deepEqual(names(object), ["10.0.0.2 6443", "10.0.0.3 6443", "10.0.0.4 6443"]);
  });

  it("chooses the port named https, or the only one", () => {
    const other = { name: "metrics", port: 9090 };
    assert.deepEqual(names(slice(["10.0.0.1"], [other, HTTPS])), ["10.0.0.1 6443"]);
    assert.deepEqual(names(slice(["10.0.0.1"], [{ name: "", port: 7443 }])), ["10.0.0.1 7443"]);
    for (const ports of [[other, { ...other, name: "x" }], [], null, [{ name: "https" }]]) {
      const { backends, refused } = readSlice(slice(["10.0.0.1"], ports));
      assert.deepEqual(backends, []);
      assert.match(refused[0]?.reason ?? "", /no port named https/);
    }
  });

  it("refuses addresses that other machines cannot reach", () => {
    const { backends, refused } = readSlice(slice(["127.0.0.1", "10.0.0.1", "m3.example", "::1"]));
    assert.deepEqual(
      backends.map(({ address }) => address),
      ["10.0.0.1"],
    );
    assert.deepEqual(
      refused.map(({ key }) => key),
      ["127.0.0.1", "::1", "m3.example"],
    );
  });

  it("has no backend without a slice, or in one without endpoints", () => {
    for (const object of [undefined, {}, { endpoints: null, ports: null }, slice([])]) {
      assert.deepEqual(readSlice(object), { backends: [], refused: [] });
    }
  });
});
