/**
 * The token that HAProxy's own checks carry (`checks.authentication: token`).
 *
 * HAProxy reads it from a file when it starts, and the runtime API changes it while it runs: no reload, and it is not in
 * haproxy.cfg. An expired or refused token takes no server out of service: /readyz answers 401, so none is ready, and all that are
 * alive serve.
 */
import { existsSync } from "node:fs";
import {
  CHECK_TOKEN_KEY,
  checkTokenFile,
  NO_CHECK_TOKEN,
  type HaproxySpec,
} from "../../haproxy/spec";
import type { RuntimeApi } from "../../haproxy/runtime";
import { writeFileAtomically } from "./atomic-file";
import { errorText, type Log } from "../report/log";
import type { Metrics } from "../report/metrics";

/** What the check token works with. */
export interface CheckTokenParts {
  readonly haproxy: HaproxySpec;
  /** @throws Error without the token's text */
  readonly token: () => string;
  readonly log: Log;
  readonly metrics?: Metrics;
}

/** Keeps file and HAProxy at the present token. */
export class CheckToken {
  readonly #parts: CheckTokenParts;
  readonly #file: string;
  #written = "";
  #failure = "";

  constructor(parts: CheckTokenParts) {
    this.#parts = parts;
    this.#file = checkTokenFile(parts.haproxy);
  }

  /** The token, now also in the file. Undefined: anonymous checks, or none can be read (then the file keeps the last one). Never throws. */
  write(): string | undefined {
    if (this.#parts.haproxy.checks.authentication === "anonymous") return undefined;
    try {
      const token = this.#parts.token();
      this.#put(token);
      this.#failure = "";
      return token;
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  /** The same for the running HAProxy. Never throws. */
  async sync(runtime: RuntimeApi): Promise<void> {
    const token = this.write();
    if (token === undefined) return;
    try {
      if (await runtime.hasMapValue(this.#file, CHECK_TOKEN_KEY, token)) return;
      await runtime.setMapValue(this.#file, CHECK_TOKEN_KEY, token);
      this.#parts.log.info("told HAProxy the token of its checks");
    } catch {
      // It is away, or still runs a configuration with anonymous checks: there is a next time.
    }
  }

  #put(token: string): void {
    if (token === this.#written) return;
    const text = `${CHECK_TOKEN_KEY} ${token}\n`;
    writeFileAtomically(this.#file, text, { durable: false, mode: 0o640 });
    this.#written = token;
  }

  #failed(error: unknown): void {
    const { log, metrics } = this.#parts;
    const text = errorText(error);
    if (text !== this.#failure) {
      log.warn("HAProxy's checks have no token: no server is ready, all that live serve", {
        error: text,
      });
      metrics?.countError("token");
    }
    this.#failure = text;
    try {
      if (!existsSync(this.#file)) this.#put(NO_CHECK_TOKEN);
    } catch {
      // Said above already: the folder cannot be written.
    }
  }
}
