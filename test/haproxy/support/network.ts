import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";

/**
 * An own address that is not a loopback address, which the updater refuses. Of the default route's
 * interface: others may come and go during a test.
 */
export function ownAddress(): string {
  const route = readFileSync("/proc/net/route", "utf8")
    .split("\n")
    .map((line) => line.split("\t"))
    .find(([name, destination]) => name !== "Iface" && destination === "00000000");
  const all = Object.entries(networkInterfaces()).sort(([name]) => (name === route?.[0] ? -1 : 1));
  for (const [, addresses] of all) {
    const found = addresses?.find((it) => it.family === "IPv4" && !it.internal);
    if (found !== undefined) return found.address;
  }
  throw new Error("this machine has no IPv4 address but the loopback one");
}

const given = new Set<number>();

/** A free TCP port below the ephemeral ports; each call gives another. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 15_000);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}
