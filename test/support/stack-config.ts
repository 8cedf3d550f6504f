import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { example, HOST_KEY } from "../unit/stacks/example";

/** The example's configuration as Pulumi hands it to a program, with a file for the SSH key. */
export class StackConfig {
  readonly #folder = mkdtempSync(path.join(tmpdir(), "control-plane-lb-config-"));
  readonly #keyFile = path.join(this.#folder, "key");

  constructor(readonly project: string) {
    writeFileSync(this.#keyFile, "a private key");
  }

  /** `PROJECT:KEY` with a text, or JSON for objects and lists. */
  with(changes: Record<string, unknown> = {}): Record<string, string> {
    const ssh = { hostKey: HOST_KEY, privateKeyFile: this.#keyFile };
    return Object.fromEntries(
      Object.entries({ ...example(), ssh, ...changes }).map(([key, value]) => [
        `${this.project}:${key}`,
        typeof value === "string" ? value : JSON.stringify(value),
      ]),
    );
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
