import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { BlockList, isIP } from "node:net";
import { bridgeOf } from "../../lab/src/network";

/** A request was refused because its address is not in a running lab. */
export class NoLabRoute extends Error {
  constructor(address: string, reason: string) {
    super(
      `${address} ${reason}. The load sends to loopback and to labs that are up, nowhere else: start the lab (npm run lab -- up)`,
    );
    this.name = "NoLabRoute";
  }
}

/** One entry of `ip -json route get ADDRESS`. */
export interface Route {
  readonly dev?: string;
  readonly gateway?: string;
  /** A gateway of the other address family. */
  readonly via?: unknown;
}

/** The kernel's answers that the guard needs. */
export interface RouteSource {
  /** @throws where the kernel has no route */
  routes(address: string): readonly Route[];
  /** Undefined: there is no such interface. */
  interfaceIndex(name: string): number | undefined;
}

const KERNEL: RouteSource = {
  routes: (address) => {
    const output = execFileSync("ip", ["-json", "route", "get", address], { stdio: "pipe" });
    return JSON.parse(output.toString()) as Route[];
  },
  interfaceIndex: (name) => {
    try {
      return Number(readFileSync(`/sys/class/net/${name}/ifindex`, "utf8"));
    } catch {
      return undefined;
    }
  },
};

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/**
 * Keeps requests on loopback and on the bridges of labs. When a lab is down, the default route
 * leads its addresses to other networks, so a load that outlives its lab would send to strangers.
 */
export class LabRouteGuard {
  private readonly verified = new Map<
    string,
    { readonly bridge: string; readonly index: number }
  >();

  constructor(private readonly source: RouteSource = KERNEL) {}

  /**
   * Cheap enough for every request: it looks up a route at first and when the bridge has changed.
   * @throws NoLabRoute
   */
  require(address: string): void {
    const family = isIP(address);
    if (family === 0) throw new NoLabRoute(address, "is not an IP address");
    if (LOOPBACK.check(address, family === 4 ? "ipv4" : "ipv6")) return;
    const known = this.verified.get(address);
    if (known !== undefined && this.source.interfaceIndex(known.bridge) === known.index) return;
    this.verified.delete(address);
    const bridge = this.bridgeTo(address);
    const index = this.source.interfaceIndex(bridge);
    if (index === undefined)
      throw new NoLabRoute(address, `was routed by ${bridge}, which is gone`);
    this.verified.set(address, { bridge, index });
  }

  private bridgeTo(address: string): string {
    let routes: readonly Route[];
    try {
      routes = this.source.routes(address);
    } catch {
      throw new NoLabRoute(address, "has no route");
    }
    const { dev = "", gateway, via } = routes[0] ?? {};
    if (gateway !== undefined || via !== undefined) {
      throw new NoLabRoute(address, `is routed by a gateway on ${dev}`);
    }
    if (dev !== bridgeOf(Number(/\d+$/.exec(dev)?.[0]))) {
      throw new NoLabRoute(address, `is routed by ${dev}, which is not the bridge of a lab`);
    }
    return dev;
  }
}

const guard = new LabRouteGuard();

/** @throws NoLabRoute unless the address is loopback or on the network of a lab that is up */
export function requireLabRoute(address: string): void {
  guard.require(address);
}
