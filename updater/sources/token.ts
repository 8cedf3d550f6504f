/** The ServiceAccount's token: from the environment, or from a file, read for each connection. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { UpdaterSettings } from "../settings";

const TOKEN = /^[A-Za-z0-9._~+/=-]+$/;

/** Reads the token, and remembers which one the last sync used. */
export class TokenReader {
  readonly #file: string;
  readonly #fromEnvironment: string | undefined;
  readonly #where: string;
  #used: { readonly fingerprint: string; readonly atMs: number } | undefined;

  /** Removes a token from the environment: child processes need none. */
  constructor(
    settings: Pick<UpdaterSettings, "tokenFile" | "tokenVariable">,
    environment: Record<string, string | undefined> = process.env,
  ) {
    this.#file = settings.tokenFile;
    const variable = settings.tokenVariable;
    if (variable !== undefined) {
      this.#fromEnvironment = environment[variable] ?? "";
      delete environment[variable];
    }
    this.#where = variable === undefined ? this.#file : `the environment variable ${variable}`;
  }

  /** The file or variable, for messages. */
  get where(): string {
    return this.#where;
  }

  /** Whether there is a token. */
  present(): boolean {
    try {
      return TOKEN.test(this.#text());
    } catch {
      return false;
    }
  }

  /** @throws Error without the token's text */
  read(): string {
    const token = this.#text();
    if (!TOKEN.test(token)) throw new Error(`${this.#where} holds no token`);
    return token;
  }

  /** `read` for a sync: remembers the token's fingerprint and since when it is in use. */
  readForSync(): string {
    const token = this.read();
    const name = tokenFingerprint(token);
    // A list and the watches after it use the same token: keep the time of its first use.
    if (this.#used?.fingerprint !== name) {
      this.#used = { fingerprint: name, atMs: performance.now() };
    }
    return token;
  }

  /** Whether there is another token than that of the last sync. */
  changed(): boolean {
    if (this.#used === undefined || !this.present()) return false;
    return tokenFingerprint(this.read()) !== this.#used.fingerprint;
  }

  /** Fingerprint of the token that made the sync of so many seconds ago; null: none yet. */
  syncedWith(secondsSinceSync: number | undefined): string | null {
    if (this.#used === undefined || secondsSinceSync === undefined) return null;
    const syncedAtMs = performance.now() - 1000 * secondsSinceSync;
    return syncedAtMs > this.#used.atMs ? this.#used.fingerprint : null;
  }

  #text(): string {
    return (this.#fromEnvironment ?? readFileSync(this.#file, "utf8")).trim();
  }
}

/** Identifies a token without revealing it. */
export function tokenFingerprint(token: string): string {
  return createHash("sha256").update(token).digest("hex").slice(0, 12);
}
