/** The socket of HAProxy's master process (`haproxy -W -S SOCKET`): reload, with proof that a new worker serves. */
import { ask, RuntimeError } from "./socket";

const COMMAND_TIMEOUT_MS = 5000;
const POLL_MS = 100;

/** Talks to the master process. */
export class MasterApi {
  readonly #socket: string;
  readonly #deadlineMs: number;

  /** @param options.deadlineMs a new worker must be there within this time. */
  constructor(socket: string, options: { readonly deadlineMs?: number } = {}) {
    this.#socket = socket;
    this.#deadlineMs = options.deadlineMs ?? 20_000;
  }

  /** Pids of the workers that take connections (not of old ones that end their last connections). */
  async workers(): Promise<number[]> {
    return parseWorkers(await ask(this.#socket, "show proc", COMMAND_TIMEOUT_MS));
  }

  /**
   * Reloads, and returns the pid of the new worker.
   * HAProxy 2.6 answers nothing to `reload` and its master is gone for a moment: `show proc` is the proof.
   * @throws RuntimeError when no new worker came: the old one still serves with the old configuration.
   */
  async reload(): Promise<number> {
    const before = await this.workers();
    const answer = await ask(this.#socket, "reload", COMMAND_TIMEOUT_MS).catch(() => "");
    if (/Success=0/.test(answer)) {
      throw new RuntimeError(`HAProxy refused the configuration: ${answer.slice(0, 2000).trim()}`);
    }
    const deadline = Date.now() + this.#deadlineMs;
    let seen: string;
    do {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      seen = await ask(this.#socket, "show proc", COMMAND_TIMEOUT_MS).catch(String);
      const fresh = parseWorkers(seen).find((pid) => !before.includes(pid));
      if (fresh !== undefined) return fresh;
    } while (Date.now() < deadline && !isFailed(seen, before));
    throw new RuntimeError(`no new worker after a reload; show proc: ${seen.trim()}`);
  }
}

/** A master that failed to load has its workers under "old workers" and none beside. */
function isFailed(showProc: string, before: readonly number[]): boolean {
  const old = section(showProc, "old workers");
  return parseWorkers(showProc).length === 0 && before.some((pid) => old.includes(pid));
}

/** Pids under `# workers` of `show proc`. */
export function parseWorkers(showProc: string): number[] {
  return section(showProc, "workers");
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
