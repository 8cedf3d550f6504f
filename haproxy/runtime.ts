/** Client of HAProxy's runtime API (management guide, section 9.3), as far as the updater needs it. */
import { ENDPOINT, EVENT_RING, POOLS, type Pool } from "./config";
import type { Backend } from "./model";
import { fallbackName, slotName } from "./server-lines";
import { ask, follow, RuntimeError, type Subscription } from "./socket";

export { RuntimeError } from "./socket";

/**
 * Bits of srv_admin_state. Maintenance is forced, inherited, or for want of an address; 0x04 ("disabled" in the
 * configuration) stays set when such a slot is opened, and means nothing then.
 */
export const ADMIN = { maintenance: 0x01 | 0x02 | 0x20 | 0x40, drain: 0x08 | 0x10 } as const;

/** Which server of a slot: of which pool, or the one in `ready` that follows the one in `alive`. */
interface Place {
  readonly pool: Pool | "fallback";
  readonly slot: number;
}

/** A line of `show servers state`. */
export interface ServerState extends Place {
  readonly address: string;
  readonly port: number;
  /** srv_op_state: 0 stopped, 1 starting, 2 running, 3 stopping. */
  readonly operational: number;
  /** srv_admin_state, see ADMIN. */
  readonly admin: number;
}

/** A server's line of `show stat`. */
export interface Stat extends Place {
  /** `UP`, `UP 1/2`, `DOWN`, `DOWN 1/2`, `MAINT`, `DRAIN`, ... */
  readonly status: string;
  /** `L7OK`, `L4TOUT`, ...; empty before the first check. */
  readonly checkStatus: string;
  /** HTTP status of the last check; 0 if it got none. */
  readonly checkCode: number;
  /** How long it has been up, or down. */
  readonly sinceSeconds: number;
  /** Sessions now. */
  readonly sessions: number;
}

/** Everything that the updater looks at, in one answer. */
export interface Snapshot {
  /** Of the worker that answered: it changes with each restart and reload. */
  readonly pid: number;
  /** `description` of the running configuration: `spec-<fingerprint>`. */
  readonly description: string;
  /** Connections that the process can have at once, on all its ports: derived from its limit of open files. */
  readonly maxConnections: number;
  readonly servers: ServerState[];
  readonly stats: Stat[];
}

/** How many slots the configuration has that HAProxy runs. */
export function slotCount({ servers }: Snapshot): number {
  return servers.filter(({ pool }) => pool === POOLS[0]).length;
}

/** Without a time limit of its own a hung HAProxy would hang its updater. */
const DEFAULT_TIMEOUT_MS = 3000;

/** Talks to the admin socket: one connection for each batch of commands. */
export class RuntimeApi {
  readonly #socket: string;
  readonly #timeoutMs: number;

  constructor(socket: string, options: { readonly timeoutMs?: number } = {}) {
    this.#socket = socket;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  /**
   * Runs one line, several commands separated by `;`.
   * @throws RuntimeError when HAProxy does not answer, or refuses any of the commands.
   */
  async command(line: string): Promise<string> {
    const answer = await ask(this.#socket, `set severity-output number;${line}`, this.#timeoutMs);
    const refusal = /^\[[0-3]\]: ?(.*)$/m.exec(answer);
    if (refusal !== null) {
      throw new RuntimeError(`HAProxy refused "${line}": ${refusal[1] ?? ""}`);
    }
    return answer;
  }

  /** Worker, configuration, servers and sessions as they are now. */
  async snapshot(): Promise<Snapshot> {
    const line = "show info;show servers state;show stat";
    return parseSnapshot(await ask(this.#socket, line, this.#timeoutMs));
  }

  async serversState(): Promise<ServerState[]> {
    return parseServersState(await ask(this.#socket, "show servers state", this.#timeoutMs));
  }

  async stats(): Promise<Stat[]> {
    return parseStats(await ask(this.#socket, "show stat", this.#timeoutMs));
  }

  /** Gives an empty slot a backend; HAProxy sends nothing there until a check has passed. */
  async fill(slot: number, backend: Backend): Promise<void> {
    await this.command(fillCommand(slot, backend));
  }

  /** Changes the address only. */
  async setAddress(slot: number, backend: Backend): Promise<void> {
    await this.command(addressCommand(slot, backend));
  }

  /** Opens a slot whose server must first pass a check. */
  async open(slot: number): Promise<void> {
    await this.command(openCommand(slot));
  }

  /** Takes a server as up whose check has just passed elsewhere; HAProxy's own checks go on from there. */
  async markUp(pool: Pool, slot: number): Promise<void> {
    await this.command(`set server ${pool}/${slotName(slot)} health up`);
  }

  /** Opens a slot that was draining: its checks never stopped, so its health is known. */
  async reopen(slot: number): Promise<void> {
    await this.command(stateCommand(slot, "ready"));
  }

  /** No new sessions; the open ones go on. */
  async drain(slot: number): Promise<void> {
    await this.command(stateCommand(slot, "drain"));
  }

  /** Maintenance: no sessions, no checks. Open sessions are cut. */
  async close(slot: number): Promise<void> {
    await this.command(closeCommand(slot));
  }

  async shutdownSessions(slot: number): Promise<void> {
    await this.command(shutdownCommand(slot));
  }

  /** How many connections the LB port takes at once. */
  async limitConnections(count: number): Promise<void> {
    await this.command(`set maxconn frontend ${ENDPOINT} ${count}`);
  }

  /** Whether the map has this value, and no other, under the key. @throws RuntimeError also when there is no such map. */
  async hasMapValue(file: string, key: string, value: string): Promise<boolean> {
    return (await this.command(`get map ${file} ${key}`)).includes(` value="${value}",`);
  }

  /** The value is a secret: it is in no error. */
  async setMapValue(file: string, key: string, value: string): Promise<void> {
    await this.command(`set map ${file} ${key} ${value}`).catch(() => {
      throw new RuntimeError(`HAProxy did not take a value for ${key} in ${file}`);
    });
  }

  /** Calls `onMessage` for each message of HAProxy from now on, such as "Server ready/s1 is DOWN, ...". */
  followEvents(onMessage: (line: string) => void, onEnd: () => void): Subscription {
    return follow(this.#socket, `show events ${EVENT_RING} -w -n`, onMessage, onEnd);
  }
}

/** The whole change in one line: at no moment is the new address open and taken as up. */
function fillCommand(slot: number, backend: Backend): string {
  return [closeCommand(slot), addressCommand(slot, backend), openCommand(slot)].join(";");
}

function addressCommand(slot: number, { address, port }: Backend): string {
  return eachWithFallback(slot, (server) => `set server ${server} addr ${address} port ${port}`);
}

/** `state ready` alone takes the server as up until its first check: seen to serve an API server that was not ready. */
function openCommand(slot: number): string {
  return each(
    slot,
    (server) => `set server ${server} state ready;set server ${server} health down`,
  );
}

function closeCommand(slot: number): string {
  return `${stateCommand(slot, "maint")};${shutdownCommand(slot)}`;
}

function shutdownCommand(slot: number): string {
  return eachWithFallback(slot, (server) => `shutdown sessions server ${server}`);
}

function stateCommand(slot: number, state: "ready" | "drain" | "maint"): string {
  return each(slot, (server) => `set server ${server} state ${state}`);
}

function each(slot: number, command: (server: string) => string): string {
  return POOLS.map((pool) => command(`${pool}/${slotName(slot)}`)).join(";");
}

/** The fallback has an address and sessions of its own; its state is that of the server that it tracks. */
function eachWithFallback(slot: number, command: (server: string) => string): string {
  return `${each(slot, command)};${command(`ready/${fallbackName(slotName(slot))}`)}`;
}

/** Takes the answers to `show info;show servers state;show stat` apart. */
export function parseSnapshot(answer: string): Snapshot {
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}: *(.*)$`, "im").exec(answer)?.[1]?.trim();
  const pid = Number(field("Pid"));
  const stateAt = answer.indexOf("# be_id ");
  const statAt = answer.indexOf("# pxname,");
  if (!Number.isInteger(pid) || stateAt < 0 || statAt < 0) {
    throw new RuntimeError("HAProxy gave half an answer to show info, servers state and stat");
  }
  return {
    pid,
    description: field("Description") ?? "",
    maxConnections: Number(field("Maxconn")),
    servers: parseServersState(answer.slice(stateAt, statAt)),
    stats: parseStats(answer.slice(statAt)),
  };
}

/** Reads `show servers state`; servers that are no slots are left out. */
export function parseServersState(answer: string): ServerState[] {
  const lines = answer.split("\n");
  const header = lines.find((line) => line.startsWith("# be_id "));
  if (header === undefined) throw new RuntimeError("HAProxy gave no answer to show servers state");
  const column = columns(header.slice(2).trim().split(" "));
  return lines.flatMap((line) => {
    const fields = line.split(" ");
    const at = (name: string): string => fields[column(name)] ?? "";
    const place = findSlot(at("be_name"), at("srv_name"));
    if (line.startsWith("#") || place === undefined) return [];
    return {
      ...place,
      address: at("srv_addr"),
      port: Number(at("srv_port")),
      operational: Number(at("srv_op_state")),
      admin: Number(at("srv_admin_state")),
    };
  });
}

/** Reads `show stat`; lines that are no slots are left out. */
export function parseStats(answer: string): Stat[] {
  const lines = answer.split("\n");
  const header = lines.find((line) => line.startsWith("# pxname,"));
  if (header === undefined) throw new RuntimeError("HAProxy gave no answer to show stat");
  const column = columns(header.slice(2).split(","));
  return lines.flatMap((line) => {
    const fields = line.split(",");
    const at = (name: string): string => fields[column(name)] ?? "";
    const place = findSlot(at("pxname"), at("svname"));
    if (line.startsWith("#") || place === undefined) return [];
    return {
      ...place,
      status: at("status"),
      // A star marks a check that is under way.
      checkStatus: at("check_status").replace("* ", ""),
      checkCode: Number(at("check_code")),
      sinceSeconds: Number(at("lastchg")),
      sessions: Number(at("scur")),
    };
  });
}

function columns(names: readonly string[]): (name: string) => number {
  const indices = new Map(names.map((name, index) => [name, index]));
  return (name) => {
    const index = indices.get(name);
    if (index === undefined) throw new RuntimeError(`HAProxy's answer has no column ${name}`);
    return index;
  };
}

function findSlot(poolName: string, serverName: string): Place | undefined {
  const pool = POOLS.find((name) => name === poolName);
  const [, number, fallback] = /^s([1-9][0-9]*)(\.alive)?$/.exec(serverName) ?? [];
  if (pool === undefined || number === undefined) return undefined;
  return { pool: fallback === undefined ? pool : "fallback", slot: Number(number) - 1 };
}
