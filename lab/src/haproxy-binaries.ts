import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { haproxyTreePath, HAPROXY_VERSIONS, type HaproxyVersion } from "./image-roots";

/** An HAProxy that runs on this computer, whatever its own Debian is. */
export interface HaproxyBinary {
  /** "2.6" or "3.0". */
  readonly version: HaproxyVersion;
  /** The command without arguments. A reload of the control-plane node process re-executes the same. */
  readonly command: string[];
}

/**
 * HAProxy 2.6 (Debian 12) and 3.0 (the image), for tests that need the real one. They are unpacked into the cache on first
 * use (about 15 s, by a child process, because callers want them while mocha defines its tests).
 */
export function haproxyBinaries(): HaproxyBinary[] {
  return HAPROXY_VERSIONS.map((version) => {
    const wrapper = join(haproxyTreePath(version), "haproxy");
    if (!existsSync(wrapper)) unpack();
    return { version, command: [wrapper] };
  });
}

function unpack(): void {
  const loader = ["--import", "tsx", join(__dirname, "haproxy-binaries-main.ts")];
  execFileSync(process.execPath, loader, {
    stdio: ["ignore", 2, 2],
    cwd: join(__dirname, "../.."),
  });
}
