/** The socket of HAProxy's master process (`haproxy -W -S SOCKET`): reloads, each proved. */
import { ask, RuntimeError } from "./socket";

const COMMAND_TIMEOUT_MS = 5000;
const POLL_MS = 100;

/** How a reload is asked for. */
export interface ReloadRequest {
  /** @returns the answer; empty when there is none */
  send(): Promise<string>;
}

/** Asks the master process itself, by its socket. */
class SocketReloadRequest implements ReloadRequest {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** HAProxy 2.6 answers nothing: its master process restarts at once. */
  send(): Promise<string> {
    return ask(this.#socket, "reload", COMMAND_TIMEOUT_MS).catch(() => "");
  }
}

/** Client of the master process. */
export class MasterApi {
  readonly #socket: string;
  readonly #deadlineMs: number;
  readonly #request: ReloadRequest;

  /**
   * @param options.deadlineMs a new worker must be there within this time. @default 20 s
   * @param options.request @default the master process itself is asked, by its socket
   */
  constructor(
    socket: string,
    options: { readonly deadlineMs?: number; readonly request?: ReloadRequest } = {},
  ) {
    this.#socket = socket;
    this.#request = options.request ?? new SocketReloadRequest(socket);
    this.#deadlineMs = options.deadlineMs ?? 20_000;
  }

  /** Pids of the workers that take connections; not those of old ones that are stopping. */
  async workers(): Promise<number[]> {
    return parseProcesses(await ask(this.#socket, "show proc", COMMAND_TIMEOUT_MS)).workers;
  }

  /**
   * Reloads, and returns the pid of the new worker, which `show proc` proves.
   * @throws RuntimeError when there is no new worker: the old one serves with the old configuration
   */
  async reload(): Promise<number> {
    const before = parseProcesses(await ask(this.#socket, "show proc", COMMAND_TIMEOUT_MS));
    const answer = await this.#request.send();
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
}

/** The answer to `show proc`. */
export interface Processes {
  /** Workers that take connections. */
  readonly workers: number[];
  /** All reloads, the failed ones included. */
  readonly reloads: number;
  /** Reloads that failed since the last success. */
  readonly failed: number;
}

/** Reads `show proc`; a missing number is 0. */
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
