import assert from "node:assert/strict";
import { LabRouteGuard, NoLabRoute, type Route } from "../../../../e2e/load/lab-route";
import { startLoad } from "../../../../e2e/load/load";

const LAB = "10.77.0.11";

/** A kernel with one answer for every address, and one bridge. */
function setUp(route: Route | undefined) {
  const kernel = { route, bridge: 7 as number | undefined, asked: 0 };
  const guard = new LabRouteGuard({
    routes: () => {
      kernel.asked += 1;
      if (kernel.route === undefined) throw new Error("RTNETLINK answers: Network is unreachable");
      return [kernel.route];
    },
    interfaceIndex: () => kernel.bridge,
  });
  return { guard, kernel };
}

describe("route guard of the load", () => {
  it("accepts an address on a lab's bridge", () => {
    setUp({ dev: "lab0" }).guard.require(LAB);
    setUp({ dev: "lab12" }).guard.require(LAB);
  });

  it("accepts loopback without asking for a route", () => {
    const { guard, kernel } = setUp(undefined);
    for (const address of ["127.0.0.1", "127.1.2.3", "::1"]) guard.require(address);
    assert.equal(kernel.asked, 0);
  });

  const REFUSED: readonly [string, Route | undefined, RegExp][] = [
    ["by a gateway", { dev: "eth0", gateway: "192.168.1.1" }, /10\.77\.0\.11 .*gateway on eth0/],
    ["by a gateway on a lab's bridge", { dev: "lab0", gateway: "10.77.0.1" }, /gateway on lab0/],
    ["by a gateway of the other family", { dev: "lab0", via: { host: "fe80::1" } }, /gateway/],
    ["by another interface", { dev: "eth0" }, /eth0, which is not the bridge of a lab/],
    ["by an interface that only looks like a bridge", { dev: "lab0-m1" }, /not the bridge/],
    ["nowhere", undefined, /has no route/],
  ];
  for (const [where, route, message] of REFUSED) {
    it(`refuses an address that is routed ${where}`, () => {
      assert.throws(() => setUp(route).guard.require(LAB), message);
    });
  }

  it("refuses a host name", () => {
    assert.throws(() => setUp({ dev: "lab0" }).guard.require("example.org"), /not an IP address/);
  });

  it("says how to start a lab", () => {
    assert.throws(() => setUp(undefined).guard.require(LAB), /npm run lab -- up/);
  });

  it("asks for a route once while the bridge stays", () => {
    const { guard, kernel } = setUp({ dev: "lab0" });
    for (let request = 0; request < 10; request += 1) guard.require(LAB);
    assert.equal(kernel.asked, 1);
  });

  it("refuses the next request once the lab's bridge is gone", () => {
    const { guard, kernel } = setUp({ dev: "lab0" });
    guard.require(LAB);
    kernel.bridge = undefined;
    kernel.route = { dev: "eth0", gateway: "192.168.1.1" };
    assert.throws(() => guard.require(LAB), NoLabRoute);
  });

  it("asks again when a new bridge has the same name", () => {
    const { guard, kernel } = setUp({ dev: "lab0" });
    guard.require(LAB);
    kernel.bridge = 8;
    guard.require(LAB);
    assert.equal(kernel.asked, 2);
  });

  it("keeps a load from starting towards a documentation address", () => {
    assert.throws(() => startLoad({ endpoint: { host: "192.0.2.1", port: 6444 } }), NoLabRoute);
  });
});
