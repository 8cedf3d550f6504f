import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";

/** Where an API server runs, so that several can have the same port. */
export interface Machine {
  readonly address: string;
  /** Command that runs a program there. */
  readonly command: readonly string[];
}

/** A network namespace with several addresses: from here each is a separate machine. */
export class Machines {
  readonly #name: string;
  readonly #subnet: string;

  private constructor(name: string, subnet: string) {
    this.#name = name;
    this.#subnet = subnet;
  }

  /** In a random part of 198.18.0.0/15, which is for tests (RFC 2544). */
  static create(count: number): Machines {
    const [a = 0, b = 0] = randomBytes(2);
    const machines = new Machines(
      `cplb-t${a.toString(16)}-${b.toString(16)}`,
      `198.${18 + (a % 2)}.${b}`,
    );
    const { name, link } = { name: machines.#name, link: machines.#name };
    ip("netns", "add", name);
    try {
      ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name);
      ip("address", "add", `${machines.#subnet}.1/24`, "dev", link);
      ip("link", "set", link, "up");
      ip("-n", name, "link", "set", "lo", "up");
      ip("-n", name, "link", "set", "eth0", "up");
      for (let i = 0; i < count; i++) {
        ip("-n", name, "address", "add", `${machines.at(i).address}/24`, "dev", "eth0");
      }
    } catch (error) {
      machines.remove();
      throw error;
    }
    return machines;
  }

  at(index: number): Machine {
    return {
      address: `${this.#subnet}.${11 + index}`,
      command: ["ip", "netns", "exec", this.#name],
    };
  }

  /** Removes the link, too. */
  remove(): void {
    ip("netns", "delete", this.#name);
  }
}

function ip(...args: string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
}
