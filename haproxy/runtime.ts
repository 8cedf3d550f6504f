/** Client of HAProxy's runtime API (management guide, section 9.3): the commands that we use. */
import { EVENT_RING, POOLS, type Pool } from "./config";
import { ENDPOINT } from "./listeners";
import type { Backend } from "./model";
import { fallbackName, slotName } from "./server-lines";
import { ask, follow, RuntimeError, type Subscription } from "./socket";

export { RuntimeError } from "./socket";

/**
 * Bits of srv_admin_state. Maintenance is forced, inherited, or due to a missing address. 0x04
 * ("disabled" in the configuration) stays set when such a slot is opened: ignore it.
 */
export const ADMIN = { maintenance: 0x01 | 0x02 | 0x20 | 0x40, drain: 0x08 | 0x10 } as const;

/**
 * A server of a slot: of one of the pools, or the fallback in `ready`, which tracks that of
 * `alive`.
 */
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
  /** HTTP status of the last check; 0 without a response. */
  readonly checkCode: number;
  /** Time in this status. */
  readonly sinceSeconds: number;
  /** Open sessions. */
  readonly sessions: number;
}

/** The state that the updater works with, in one answer. */
export interface Snapshot {
  /** Pid of the worker: it changes with each restart and reload. */
  readonly pid: number;
  /** `description` of the running configuration: `spec-<fingerprint>`. */
  readonly description: string;
  /** The process's limit of connections on all ports, derived from its limit of open files. */
  readonly maxConnections: number;
  readonly servers: ServerState[];
  readonly stats: Stat[];
}

/** Number of slots in HAProxy's configuration. */
export function slotCount({ servers }: Snapshot): number {
  return servers.filter(({ pool }) => pool === POOLS[0]).length;
}

/** A hung HAProxy must not hang the updater. */
const DEFAULT_TIMEOUT_MS = 3000;

/** Client of the admin socket: one connection for each batch of commands. */
export class RuntimeApi {
  readonly #socket: string;
  readonly #timeoutMs: number;

  constructor(socket: string, options: { readonly timeoutMs?: number } = {}) {
    this.#socket = socket;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  /**
   * Runs one line, several commands separated by `;`.
   * @throws RuntimeError when HAProxy does not answer, or refuses a command
   */
  async command(line: string): Promise<string> {
    const answer = await ask(this.#socket, `set severity-output number;${line}`, this.#timeoutMs);
    const refusal = /^\[[0-3]\]: ?(.*)$/m.exec(answer);
    if (refusal !== null) {
      throw new RuntimeError(`HAProxy refused "${line}": ${refusal[1] ?? ""}`);
    }
    return answer;
  }

  /** Worker, configuration, servers and sessions. */
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

  /** Puts a backend into a slot; it gets no connections until a check passes. */
  async fill(slot: number, backend: Backend): Promise<void> {
    await this.command(fillCommand(slot, backend));
  }

  /** Changes the address only. */
  async setAddress(slot: number, backend: Backend): Promise<void> {
    await this.command(addressCommand(slot, backend));
  }

  /** Opens a slot; its server gets no connections until a check passes. */
  async open(slot: number): Promise<void> {
    await this.command(openCommand(slot));
  }

  /** Marks a server up after a check of our own; HAProxy's checks continue. */
  async markUp(pool: Pool, slot: number): Promise<void> {
    await this.command(`set server ${pool}/${slotName(slot)} health up`);
  }

  /** Opens a draining slot: its checks never stopped, so its health is known. */
  async reopen(slot: number): Promise<void> {
    await this.command(stateCommand(slot, "ready"));
  }

  /** Stops new sessions; open ones continue. */
  async drain(slot: number): Promise<void> {
    await this.command(stateCommand(slot, "drain"));
  }

  /** Maintenance: no checks, no sessions. Shuts down open ones. */
  async close(slot: number): Promise<void> {
    await this.command(closeCommand(slot));
  }

  async shutdownSessions(slot: number): Promise<void> {
    await this.command(shutdownCommand(slot));
  }

  /** Sets the LB port's limit of connections. */
  async limitConnections(count: number): Promise<void> {
    await this.command(`set maxconn frontend ${ENDPOINT} ${count}`);
  }

  /**
   * Whether the map has this value for the key. @throws RuntimeError also when there is no such map
   */
  async hasMapValue(file: string, key: string, value: string): Promise<boolean> {
    return (await this.command(`get map ${file} ${key}`)).includes(` value="${value}",`);
  }

  /** Errors do not contain the value, a secret. */
  async setMapValue(file: string, key: string, value: string): Promise<void> {
    await this.command(`set map ${file} ${key} ${value}`).catch(() => {
      throw new RuntimeError(`HAProxy did not take a value for ${key} in ${file}`);
    });
  }

  /** Calls `onMessage` for each new message of HAProxy, e.g. "Server ready/s1 is DOWN, ...". */
  followEvents(onMessage: (line: string) => void, onEnd: () => void): Subscription {
    return follow(this.#socket, `show events ${EVENT_RING} -w -n`, onMessage, onEnd);
  }
}

/** In one line, so that the new address is never open and up before a check. */
function fillCommand(slot: number, backend: Backend): string {
  return [closeCommand(slot), addressCommand(slot, backend), openCommand(slot)].join(";");
}

function addressCommand(slot: number, { address, port }: Backend): string {
  return eachWithFallback(slot, (server) => `set server ${server} addr ${address} port ${port}`);
}

/**
 * `state ready` alone counts as up until the first check: an API server served that was not ready.
 */
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

/**
 * The fallback has its own address and sessions; its state is that of the server that it tracks.
 */
function eachWithFallback(slot: number, command: (server: string) => string): string {
  return `${each(slot, command)};${command(`ready/${fallbackName(slotName(slot))}`)}`;
}

/** Parses the answers to `show info;show servers state;show stat`. */
export function parseSnapshot(answer: string): Snapshot {
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}: *(.*)$`, "im").exec(answer)?.[1]?.trim();
  const pid = Number(field("Pid"));
  const stateAt = answer.indexOf("# be_id ");
  const statAt = answer.indexOf("# pxname,");
  if (!Number.isInteger(pid) || stateAt < 0 || statAt < 0) {
    throw new RuntimeError("HAProxy's answer to show info, servers state and stat is incomplete");
  }
  return {
    pid,
    description: field("Description") ?? "",
    maxConnections: Number(field("Maxconn")),
    servers: parseServersState(answer.slice(stateAt, statAt)),
    stats: parseStats(answer.slice(statAt)),
  };
}

/** Parses `show servers state`; omits servers that are not slots. */
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

/** Parses `show stat`; omits lines that are not slots. */
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
      // A star marks a running check.
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
