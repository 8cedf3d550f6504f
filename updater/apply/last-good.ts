/** The last accepted backends with their slots, on disk: they serve when no API server answers. */
import { readFileSync } from "node:fs";
import { isUsableAddress } from "../../haproxy/address";
import { MAX_BACKENDS, type Backend } from "../../haproxy/model";
import { writeFileAtomically } from "./atomic-file";

/** The file's content. */
export interface LastGood {
  /** When this set was accepted, milliseconds since 1970. */
  readonly savedAtMs: number;
  /** resourceVersion of the last change; empty for a set that no API server sent. */
  readonly revision: string;
  readonly slots: readonly (Backend | undefined)[];
}

const VERSION = 1;

/** Writes the file atomically. */
export function saveLastGood(file: string, lastGood: LastGood): void {
  const slots = lastGood.slots.map((backend) => backend ?? null);
  writeFileAtomically(file, `${JSON.stringify({ version: VERSION, ...lastGood, slots })}\n`);
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
  const { savedAtMs, revision, slots } = content;
  if (typeof savedAtMs !== "number" || typeof revision !== "string") return undefined;
  if (!Array.isArray(slots) || slots.length > 8 * MAX_BACKENDS) return undefined;
  const read = slots.map((slot: unknown) => (isBackend(slot) ? slot : undefined));
  if (read.every((backend) => backend === undefined)) return undefined;
  return { savedAtMs, revision, slots: read };
}

/** The backends in the slots, sorted by name. */
export function backendsOf(slots: readonly (Backend | undefined)[]): Backend[] {
  return slots
    .filter((backend) => backend !== undefined)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function isBackend(value: unknown): value is Backend {
  return (
    isRecord(value) &&
    typeof value["name"] === "string" &&
    typeof value["address"] === "string" &&
    isUsableAddress(value["address"]) &&
    Number.isInteger(value["port"])
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
