/** The ServiceAccount's token: from the environment, or from a file that is read again for each connection. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { UpdaterSettings } from "../settings";

const TOKEN = /^[A-Za-z0-9._~+/=-]+$/;

/** Reads the token, and knows which one was used last. */
export class TokenReader {
  readonly #file: string;
  readonly #fromEnvironment: string | undefined;
  readonly #where: string;
  #used: { readonly fingerprint: string; readonly atMs: number } | undefined;

  /** A token in the environment is taken out of it: the programs that the updater starts need none. */
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

  /** Where it comes from, for messages. */
  get where(): string {
    return this.#where;
  }

  /** Is there one at all? */
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

  /** The same, for the connection that syncs. */
  readForSync(): string {
    const token = this.read();
    const name = fingerprint(token);
    // since when it is the one: a list is followed by watches with the same token
    if (this.#used?.fingerprint !== name) {
      this.#used = { fingerprint: name, atMs: performance.now() };
    }
    return token;
  }

  /** Has the token changed since the connection that syncs was opened? */
  changed(): boolean {
    if (this.#used === undefined || !this.present()) return false;
    return fingerprint(this.read()) !== this.#used.fingerprint;
  }

  /** Fingerprint of the token with which an API server confirmed the backends so many seconds ago; null: none yet. */
  syncedWith(secondsSinceSync: number | undefined): string | null {
    if (this.#used === undefined || secondsSinceSync === undefined) return null;
    const syncedAtMs = performance.now() - 1000 * secondsSinceSync;
    return syncedAtMs > this.#used.atMs ? this.#used.fingerprint : null;
  }

  #text(): string {
    return (this.#fromEnvironment ?? readFileSync(this.#file, "utf8")).trim();
  }
}

/** Names a token without showing it. */
export function fingerprint(token: string): string {
  return createHash("sha256").update(token).digest("hex").slice(0, 12);
}
