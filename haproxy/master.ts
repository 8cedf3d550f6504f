/** The socket of HAProxy's master process (`haproxy -W -S SOCKET`): reload, with proof that a new worker serves. */
import { ask, RuntimeError } from "./socket";

const COMMAND_TIMEOUT_MS = 5000;
const POLL_MS = 100;

/** Talks to the master process. */
export class MasterApi {
  readonly #socket: string;
  readonly #deadlineMs: number;
  readonly #askReload: (() => void) | undefined;

  /**
   * @param options.deadlineMs a new worker must be there within this time.
   * @param options.askReload asks somebody else for the reload, e.g. systemd. Default: the master process itself, by its socket.
   */
  constructor(
    socket: string,
    options: { readonly deadlineMs?: number; readonly askReload?: () => void } = {},
  ) {
    this.#socket = socket;
    this.#askReload = options.askReload;
    this.#deadlineMs = options.deadlineMs ?? 20_000;
  }

  /** Pids of the workers that take connections (not of old ones that end their last connections). */
  async workers(): Promise<number[]> {
    return parseProcesses(await ask(this.#socket, "show proc", COMMAND_TIMEOUT_MS)).workers;
  }

  /**
   * Reloads, and returns the pid of the new worker.
   * HAProxy 2.6 answers nothing to `reload` and its master is gone for a moment: `show proc` is the proof.
   * @throws RuntimeError when no new worker came: the old one still serves with the old configuration.
   */
  async reload(): Promise<number> {
    const before = parseProcesses(await ask(this.#socket, "show proc", COMMAND_TIMEOUT_MS));
    const answer = await this.#start();
    if (/Success=0/.test(answer)) {
      throw new RuntimeError(`HAProxy refused the configuration: ${answer.slice(0, 2000).trim()}`);
    }
    const deadline = performance.now() + this.#deadlineMs;
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      const seen = await ask(this.#socket, "show proc", COMMAND_TIMEOUT_MS).catch(String);
      const now = parseProcesses(seen);
      const fresh = now.workers.find((pid) => !before.workers.includes(pid));
      if (fresh !== undefined) return fresh;
      if ((now.reloads > before.reloads && now.failed > 0) || performance.now() > deadline) {
        throw new RuntimeError(`no new worker after a reload; show proc: ${seen.trim()}`);
      }
    }
  }

  async #start(): Promise<string> {
    if (this.#askReload === undefined) {
      return ask(this.#socket, "reload", COMMAND_TIMEOUT_MS).catch(() => "");
    }
    this.#askReload();
    return "";
  }
}

/** What `show proc` says. */
export interface Processes {
  /** Workers that take connections. */
  readonly workers: number[];
  /** Reloads that the master has done, the failed ones among them. */
  readonly reloads: number;
  /** Reloads that failed since the last one that did not. */
  readonly failed: number;
}

/** Reads `show proc`; what is not in it counts as zero. */
export function parseProcesses(showProc: string): Processes {
  const master = /^\d+\s+master\s+(\d+)(?: \[failed: (\d+)\])?/m.exec(showProc);
  return {
    workers: section(showProc, "workers"),
    reloads: Number(master?.[1] ?? 0),
    failed: Number(master?.[2] ?? 0),
  };
}

function section(showProc: string, title: string): number[] {
  const lines = showProc.split("\n");
  const start = lines.indexOf(`# ${title}`);
  if (start < 0) return [];
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => line.startsWith("#"));
  return (end < 0 ? rest : rest.slice(0, end)).flatMap((line) => {
    const pid = /^(\d+)\s+worker\b/.exec(line)?.[1];
    return pid === undefined ? [] : [Number(pid)];
  });
}
