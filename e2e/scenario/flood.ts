import { fork } from "node:child_process";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { requireLabRoute } from "../load/lab-route";

/** Connections of a stranger, kept up until the flood stops: closed ones are opened again. */
export interface FloodOptions {
  /** `silent`: they send nothing. `half-closed`: a few bytes, and they never close their side. */
  readonly kind: "silent" | "half-closed";
  readonly host: string;
  readonly port: number;
  /** Source address, which this machine has. */
  readonly localAddress: string;
  /** Connections at once. */
  readonly count: number;
}

/** What became of them. */
export interface FloodCounts {
  opened: number;
  refused: number;
  /** Closed by the other side. */
  closed: number;
  /** The most that were established at once. */
  most: number;
}

/** A running flood. */
export interface Flood {
  stop(): Promise<FloodCounts>;
}

/**
 * Starts a flood, in a process of its own so that it does not delay the load.
 * @throws NoLabRoute when the host is not in a lab that is up
 */
export function startFlood(options: FloodOptions): Flood {
  requireLabRoute(options.host);
  const child = fork(path.join(__dirname, "flood-worker.ts"), [], {
    execArgv: ["--import", pathToFileURL(require.resolve("tsx")).href],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  let counts: FloodCounts = { opened: 0, refused: 0, closed: 0, most: 0 };
  child.on("message", (message) => (counts = message as FloodCounts));
  child.send(options);
  return {
    async stop() {
      child.kill("SIGKILL");
      await ended;
      return counts;
    },
  };
}
