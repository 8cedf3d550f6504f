/** The spec of haproxy.cfg with the CA certificates that are on disk now. */
import { readFileSync } from "node:fs";
import { fingerprintCa } from "../../haproxy/config";
import type { HaproxySpec } from "../../haproxy/spec";
import type { UpdaterSettings } from "../settings";

/**
 * HAProxy reads its CA file only when it starts or reloads: `commit ssl ca-file` does not reach the
 * checks (2.6 and 3.0). So other certificates are another spec, which needs a reload.
 */
export class CurrentSpec {
  readonly #haproxy: UpdaterSettings["haproxy"];
  #fingerprint: string | undefined;

  constructor({ haproxy }: Pick<UpdaterSettings, "haproxy">) {
    this.#haproxy = haproxy;
  }

  /** A missing or empty file changes nothing: HAProxy has its certificates in memory. */
  get(): HaproxySpec {
    const ca = readText(this.#haproxy.caFile);
    if (ca !== "") this.#fingerprint = fingerprintCa(ca);
    if (this.#fingerprint === undefined) return this.#haproxy;
    return { ...this.#haproxy, caFingerprint: this.#fingerprint };
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "";
  }
}
