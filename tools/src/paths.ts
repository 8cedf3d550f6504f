import { createHash } from "node:crypto";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/**
 * Build results that every checkout on this computer shares: `$XDG_CACHE_HOME/control-plane-lb`.
 */
export function cacheDir(): string {
  const base = process.env.XDG_CACHE_HOME;
  return join(
    base !== undefined && base !== "" ? base : join(homedir(), ".cache"),
    "control-plane-lb",
  );
}

/** Folder with the go.mod of a program. */
export function goModule(name: string): string {
  return resolve(__dirname, "../modules", name);
}

/** Short fingerprint of the inputs of a build; part of the name of the folder that caches it. */
export function fingerprint(...inputs: readonly (string | Buffer)[]): string {
  const hash = createHash("sha256");
  for (const input of inputs) hash.update(`${Buffer.byteLength(input)}:`).update(input);
  return hash.digest("hex").slice(0, 16);
}
