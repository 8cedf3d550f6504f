/**
 * The token of HAProxy's own checks (`checks.authentication: token`).
 *
 * HAProxy reads it from a file when it starts, and the runtime API changes it later: no reload, and
 * haproxy.cfg does not contain it. With an expired token /readyz answers 401: no server is ready,
 * and all that are alive serve.
 */
import { existsSync } from "node:fs";
import type { RuntimeApi } from "../../haproxy/runtime";
import { CHECK_TOKEN_KEY, checkTokenFile, NO_CHECK_TOKEN } from "../../haproxy/spec";
import type { Context } from "../context";
import { errorText } from "../report/log";
import { writeFileAtomically } from "./atomic-file";

type CheckTokenContext = Pick<Context, "settings" | "log" | "report">;

/** Keeps the file and HAProxy at the current token. */
export class CheckToken {
  readonly #context: CheckTokenContext;
  readonly #token: () => string;
  readonly #file: string;
  #written = "";

  /** @param token throws an Error without the token's text when there is none */
  constructor(context: CheckTokenContext, token: () => string) {
    this.#context = context;
    this.#token = token;
    this.#file = checkTokenFile(context.settings.haproxy);
  }

  /**
   * Writes the token into the file, and returns it. Undefined: checks are anonymous, or there is no
   * token (then the file keeps the last one). Never throws.
   */
  write(): string | undefined {
    const { settings, report } = this.#context;
    if (settings.haproxy.checks.authentication === "anonymous") return undefined;
    try {
      const token = this.#token();
      this.#put(token);
      report.end("CheckTokenMissing");
      return token;
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  /** Writes the token, and sets it in the running HAProxy. Never throws. */
  async sync(runtime: RuntimeApi): Promise<void> {
    const token = this.write();
    if (token === undefined) return;
    try {
      if (await runtime.hasMapValue(this.#file, CHECK_TOKEN_KEY, token)) return;
      await runtime.setMapValue(this.#file, CHECK_TOKEN_KEY, token);
      this.#context.log.info("set the token of HAProxy's checks");
    } catch {
      // HAProxy is away, or still runs a configuration with anonymous checks: the next sync
      // follows.
    }
  }

  #put(token: string): void {
    if (token === this.#written) return;
    const text = `${CHECK_TOKEN_KEY} ${token}\n`;
    writeFileAtomically(this.#file, text, { durable: false, mode: 0o640 });
    this.#written = token;
  }

  #failed(error: unknown): void {
    this.#context.report.begin(
      "CheckTokenMissing",
      `HAProxy's checks have no token, so no server is ready and all that are alive serve: ` +
        errorText(error),
    );
    try {
      if (!existsSync(this.#file)) this.#put(NO_CHECK_TOKEN);
    } catch {
      // The folder cannot be written: the problem above has the same cause.
    }
  }
}
