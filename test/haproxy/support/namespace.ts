import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import type { Machine } from "./machines";

/** A network namespace that can begin to drop all packets that it gets. */
export class Namespace implements Machine {
  readonly name: string;
  readonly address: string;
  /** The test's own address on the link to it. */
  readonly neighbour: string;
  readonly command: readonly string[];
  readonly #link: string;

  constructor() {
    const id = randomInt(1, 16_384);
    const network = `10.231.${id >> 6}`;
    const first = (id & 63) * 4;
    this.name = `clb-test-${id}`;
    this.#link = `clb${id}`;
    this.address = `${network}.${first + 2}`;
    this.neighbour = `${network}.${first + 1}`;
    this.command = ["ip", "netns", "exec", this.name];
    ip("netns", "add", this.name);
    ip("link", "add", this.#link, "type", "veth", "peer", "name", "eth0", "netns", this.name);
    ip("addr", "add", `${this.neighbour}/30`, "dev", this.#link);
    ip("link", "set", this.#link, "up");
    ip("-n", this.name, "link", "set", "lo", "up");
    ip("-n", this.name, "addr", "add", `${this.address}/30`, "dev", "eth0");
    ip("-n", this.name, "link", "set", "eth0", "up");
  }

  /** Drops incoming packets: no reset, no answer. */
  swallow(): void {
    this.#nft(
      "add table inet hole; add chain inet hole input { type filter hook input priority 0 ; policy drop ; }",
    );
  }

  restore(): void {
    this.#nft("delete table inet hole");
  }

  remove(): void {
    ip("netns", "del", this.name);
  }

  #nft(rules: string): void {
    ip("netns", "exec", this.name, "nft", rules);
  }
}

function ip(...args: string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
}
