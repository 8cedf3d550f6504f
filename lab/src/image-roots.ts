import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  cached,
  cachedPath,
  fingerprint,
  type Log,
  run,
  withProgress,
} from "../../tools/src/index";
import { makeDebianTree, type DebianTree } from "./debian";

/** Raise it when a root file system below changes: the images are built again. */
export const ROOTS_RECIPE = "2";

/**
 * Minimum of a Debian "slim" image: a shell, the tools of entrypoints and probes, and Debian's
 * perl-base.
 */
const SLIM = [
  ...["base-files", "base-passwd", "bash", "coreutils", "dash", "findutils", "grep", "perl-base"],
  "sed",
];

const HAPROXY_TREES: Readonly<Record<HaproxyVersion, DebianTree>> = {
  "2.6": { suite: "bookworm", variant: "extract", packages: [...SLIM, "haproxy"] },
  "3.0": { suite: "trixie", variant: "extract", packages: [...SLIM, "haproxy", "ca-certificates"] },
};

/** HAProxy releases of the tests: 2.6 is Debian 12's, 3.0 is the image's. */
export type HaproxyVersion = "2.6" | "3.0";

export const HAPROXY_VERSIONS: readonly HaproxyVersion[] = ["2.6", "3.0"];

/** Folder of a release, whether it exists or not. */
export function haproxyTreePath(version: HaproxyVersion): string {
  return cachedPath(`haproxy-${version}`, haproxyKey(version));
}

/**
 * Unpacks a release from the Debian archive: packages in `root`, and a command `haproxy` that runs
 * on any Linux.
 */
export async function haproxyTree(version: HaproxyVersion, log: Log): Promise<string> {
  const tree = HAPROXY_TREES[version];
  return cached(`haproxy-${version}`, haproxyKey(version), log, (folder) =>
    withProgress(log, `HAProxy ${version} of Debian ${tree.suite}`, async () => {
      await makeDebianTree(tree, join(folder, "root"));
      writeFileSync(join(folder, "haproxy"), HAPROXY_COMMAND, { mode: 0o755 });
    }),
  );
}

/**
 * --argv0: the master process re-executes its own argv[0] at a reload, which must be this wrapper
 * again.
 */
const HAPROXY_COMMAND = `#!/bin/sh
root="$(dirname "$0")/root"
for loader in "$root"/lib64/ld-linux-*.so.* "$root"/usr/lib64/ld-linux-*.so.* "$root"/lib/ld-linux-*.so.*; do
  [ ! -e "$loader" ] || break
done
libraries="$(echo "$root"/usr/lib/*-linux-gnu):$(echo "$root"/lib/*-linux-gnu)"
exec "$loader" --argv0 "$0" --library-path "$libraries" "$root/usr/sbin/haproxy" "$@"
`;

function haproxyKey(version: HaproxyVersion): string {
  return fingerprint(JSON.stringify(HAPROXY_TREES[version]), HAPROXY_COMMAND);
}

/**
 * As docker-library/haproxy: the binary in /usr/local/sbin, user 99, work folder /var/lib/haproxy,
 * no /etc/haproxy.
 */
export async function makeHaproxyRoot(root: string, tree: string): Promise<void> {
  await run(["cp", "-a", `${join(tree, "root")}/.`, root]);
  await finishSlim(root, [{ name: "haproxy", id: 99, home: "/var/lib/haproxy" }]);
  await sh(
    root,
    `mv usr/sbin/haproxy usr/local/sbin/haproxy
     rm -rf etc/haproxy etc/default/haproxy etc/init.d/haproxy
     mkdir -p usr/local/etc/haproxy/errors var/lib/haproxy
     chown 99:99 var/lib/haproxy`,
  );
  // https://github.com/docker-library/haproxy/blob/master/docker-entrypoint.sh
  entrypoint(
    root,
    `#!/bin/sh
set -e
if [ "\${1#-}" != "$1" ]; then
  set -- haproxy "$@"
fi
if [ "$1" = 'haproxy' ]; then
  shift
  set -- haproxy -W -db "$@"
fi
exec "$@"
`,
  );
}

/** Release in the npm package `node`, for example "24.21.0". */
export const NODE_VERSION = readNodePackage().version;

/**
 * As nodejs/docker-node "slim": node in /usr/local/bin and an unused account node (1000). npm and
 * yarn are left out.
 *
 * The binary is that of the npm package `node`, which holds the official release. Node 24 is the
 * newest LTS line; Debian trixie and its backports have nothing newer than Node 20, which is past
 * its end of life.
 */
export async function makeNodeRoot(root: string): Promise<void> {
  // the official binary brings everything but the C and C++ libraries
  const packages = [...SLIM, "libstdc++6"];
  await makeDebianTree({ suite: "trixie", variant: "extract", packages }, root);
  await finishSlim(root, [{ name: "node", id: 1000, home: "/home/node" }]);
  await run([
    "install",
    "-D",
    "-m",
    "0755",
    readNodePackage().binary,
    join(root, "usr/local/bin/node"),
  ]);
  await sh(
    root,
    `ln -s node usr/local/bin/nodejs
     rm -rf usr/share/doc usr/share/man
     mkdir -p home/node
     chown 1000:1000 home/node`,
  );
  // https://github.com/nodejs/docker-node/blob/main/docker-entrypoint.sh
  entrypoint(
    root,
    `#!/bin/sh
set -e
if [ "\${1#-}" != "\${1}" ] || [ -z "$(command -v "\${1}")" ] || { [ -f "\${1}" ] && ! [ -x "\${1}" ]; }; then
  set -- node "$@"
fi
exec "$@"
`,
  );
}

function readNodePackage(): { readonly version: string; readonly binary: string } {
  const file = require.resolve("node/package.json");
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
  return { version, binary: join(dirname(file), "bin/node") };
}

/** Programs that kube-proxy calls: iptables (on nftables), nft and conntrack. */
export async function makeProxyRoot(root: string): Promise<void> {
  const packages = [...SLIM, "iptables", "nftables", "conntrack", "kmod"];
  await makeDebianTree({ suite: "trixie", variant: "extract", packages }, root);
  await finishSlim(root, []);
  const families = ["iptables", "ip6tables"].flatMap((name) => [
    name,
    `${name}-save`,
    `${name}-restore`,
  ]);
  await sh(root, families.map((name) => `ln -sf xtables-nft-multi usr/sbin/${name}`).join("\n"));
}

interface Account {
  readonly name: string;
  readonly id: number;
  readonly home: string;
}

/**
 * Does what the skipped install scripts do: accounts, merged /usr, the bundle of CA certificates.
 */
async function finishSlim(root: string, accounts: readonly Account[]): Promise<void> {
  const lines = accounts.flatMap(({ name, id, home }) => [
    `echo '${name}:x:${id}:${id}::${home}:/bin/sh' >> etc/passwd`,
    `echo '${name}:x:${id}:' >> etc/group`,
  ]);
  await sh(
    root,
    `for folder in bin lib lib64 sbin; do
       [ -L "$folder" ] || [ ! -d "$folder" ] || { cp -a "$folder/." "usr/$folder/"; rm -rf "$folder"; }
       [ -L "$folder" ] || ln -s "usr/$folder" "$folder"
     done
     mkdir -p usr/local/bin usr/local/sbin etc/ssl/certs tmp run proc sys dev root var/lib
     chmod 1777 tmp
     cp usr/share/base-passwd/passwd.master etc/passwd
     cp usr/share/base-passwd/group.master etc/group
     [ -e usr/bin/sh ] || ln -s dash usr/bin/sh
     rm -rf var/cache/apt var/lib/apt/lists etc/apt
     find usr/share/ca-certificates -name '*.crt' -exec cat {} + > etc/ssl/certs/ca-certificates.crt 2>/dev/null || true
     ${lines.join("\n")}`,
  );
}

function entrypoint(root: string, text: string): void {
  const file = join(root, "usr/local/bin/docker-entrypoint.sh");
  if (existsSync(file)) throw new Error(`${file}: already there`);
  writeFileSync(file, text, { mode: 0o755 });
}

async function sh(root: string, script: string): Promise<void> {
  await run(["sh", "-euc", script], { cwd: root, title: `preparing ${root}` });
}
