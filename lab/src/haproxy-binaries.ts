import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { haproxyTreePath, HAPROXY_VERSIONS, type HaproxyVersion } from "./image-roots";

/** An HAProxy that runs on this computer, independent of its distribution. */
export interface HaproxyBinary {
  /** "2.6" or "3.0". */
  readonly version: HaproxyVersion;
  /** The command without arguments. HAProxy's master process re-executes it at a reload. */
  readonly command: string[];
}

/**
 * HAProxy 2.6 (Debian 12) and 3.0 (the image), for tests with real binaries. The first use unpacks
 * them into the cache in about 15 s, by a child process: mocha needs them synchronously while it
 * defines tests.
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
