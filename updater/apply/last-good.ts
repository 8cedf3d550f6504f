/** The last accepted backends with their slots, on disk: they serve when no API server answers. */
import { readFileSync } from "node:fs";
import { isUsableAddress } from "../../haproxy/address";
import { MAX_BACKENDS, type Backend } from "../../haproxy/model";
import type { Leaving } from "../../haproxy/slots";
import type { ApiServer } from "../http";
import { writeFileAtomically } from "./atomic-file";

/** The file's content. */
export interface LastGood {
  /** When this set was accepted, milliseconds since 1970. */
  readonly savedAtMs: number;
  /** resourceVersion of the last change; empty for a set that no API server sent. */
  readonly revision: string;
  readonly slots: readonly (Backend | undefined)[];
  /** Former backends that serve on, because none in `slots` has answered. */
  readonly leaving: Leaving;
  /** API servers that have answered the updater, the latest first: its way back. */
  readonly answered: readonly ApiServer[];
}

const VERSION = 1;

/** Writes the file atomically. */
export function saveLastGood(file: string, lastGood: LastGood): void {
  const slots = lastGood.slots.map((backend) => backend ?? null);
  const leaving = [...lastGood.leaving];
  writeFileAtomically(
    file,
    `${JSON.stringify({ version: VERSION, ...lastGood, slots, leaving })}\n`,
  );
}

/** Undefined when the file is missing, broken, of another version, or has no backend. */
export function readLastGood(file: string): LastGood | undefined {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
  if (!isRecord(content) || content["version"] !== VERSION) return undefined;
  const { savedAtMs, revision, slots, leaving, answered } = content;
  if (typeof savedAtMs !== "number" || typeof revision !== "string") return undefined;
  if (!Array.isArray(slots) || slots.length > 8 * MAX_BACKENDS) return undefined;
  const read = slots.map((slot: unknown) => (isBackend(slot) ? slot : undefined));
  if (read.every((backend) => backend === undefined)) return undefined;
  return {
    ...{ savedAtMs, revision, slots: read },
    leaving: readLeaving(leaving, read),
    answered: Array.isArray(answered) ? answered.filter(isApiServer) : [],
  };
}

/** None in a file that an older updater wrote. */
function readLeaving(value: unknown, slots: readonly (Backend | undefined)[]): Leaving {
  const entries: readonly unknown[] = Array.isArray(value) ? value : [];
  const read = new Map<number, Backend>();
  for (const entry of entries) {
    const [slot, backend] = (Array.isArray(entry) ? entry : []) as readonly unknown[];
    const isFree = typeof slot === "number" && slot in slots && slots[slot] === undefined;
    if (isFree && isBackend(backend)) read.set(slot, backend);
  }
  return read;
}

/** The backends in the slots, sorted by name. */
export function backendsOf(slots: readonly (Backend | undefined)[]): Backend[] {
  return slots
    .filter((backend) => backend !== undefined)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function isBackend(value: unknown): value is Backend {
  return isApiServer(value) && "name" in value && typeof value.name === "string";
}

function isApiServer(value: unknown): value is ApiServer {
  return (
    isRecord(value) &&
    typeof value["address"] === "string" &&
    isUsableAddress(value["address"]) &&
    Number.isInteger(value["port"])
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
