import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { cached, fingerprint, type Log, withProgress } from "../../tools/src/index";
import { makeDebianTree, type DebianTree } from "./debian";

/** Releases of cloud-init: 22.4 is Debian 12's, the other one Debian 13's. */
export const CLOUD_INIT_SUITES = ["bookworm", "trixie"] as const;

export type CloudInitSuite = (typeof CLOUD_INIT_SUITES)[number];

/**
 * Command `cloud-init` of a Debian release, for its offline subcommands like `schema`. The first use
 * unpacks it with its Python into the cache, in about 15 s.
 */
export async function cloudInit(suite: CloudInitSuite, log: Log): Promise<string> {
  const tree: DebianTree = { suite, variant: "extract", packages: ["cloud-init"] };
  const key = fingerprint(JSON.stringify(tree), COMMAND);
  const folder = await cached(`cloud-init-${suite}`, key, log, (target) =>
    withProgress(log, `cloud-init of Debian ${suite}`, async () => {
      await makeDebianTree(tree, join(target, "root"));
      writeFileSync(join(target, "cloud-init"), COMMAND, { mode: 0o755 });
    }),
  );
  return join(folder, "cloud-init");
}

/**
 * Python runs with its own C library and modules, on any Linux, and with a /run of its own: `schema`
 * leaves notes there.
 */
const COMMAND = `#!/bin/sh
root="$(dirname "$0")/root"
for loader in "$root"/lib64/ld-linux-*.so.* "$root"/usr/lib64/ld-linux-*.so.* "$root"/lib/ld-linux-*.so.* "$root"/usr/lib/ld-linux-*.so.*; do
  [ ! -e "$loader" ] || break
done
libraries="$(echo "$root"/usr/lib/*-linux-gnu):$(echo "$root"/lib/*-linux-gnu)"
export PYTHONHOME="$root/usr" PYTHONPATH="$root/usr/lib/python3/dist-packages" PYTHONDONTWRITEBYTECODE=1
exec unshare --mount sh -c 'mount -t tmpfs tmpfs /run && exec "$@"' sh \\
  "$loader" --library-path "$libraries" "$root/usr/bin/python3" "$root/usr/bin/cloud-init" "$@"
`;
