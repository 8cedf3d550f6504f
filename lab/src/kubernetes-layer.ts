import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cached, fingerprint, type Log, run } from "../../tools/src/index";
import { labSource } from "./paths";

/** Binaries on the machine itself; the others are in images. */
const HOST_BINARIES = ["kubeadm", "kubelet", "kubectl"];

/** Raise it when the steps below change. */
const RECIPE = "1";

/**
 * Second lower file system of the machines, over Debian: kubeadm, kubelet, kubectl and the files of
 * lab/machine. It is apart from Debian because it changes more often and is made at once.
 *
 * @param kubernetes folder with the binaries
 */
export async function makeKubernetesLayer(kubernetes: string, log: Log): Promise<string> {
  const files = labSource("machine");
  const texts = filesIn(files).flatMap((file) => [file, readFileSync(join(files, file))]);
  const key = fingerprint(kubernetes, RECIPE, ...texts);
  return cached("kubernetes-layer", key, log, async (folder) => {
    await run([
      ...["sh", "-euc"],
      `from=$1 files=$2 to=$3
       shift 3
       cp -r "$files/." "$to/"
       chown -R 0:0 "$to"
       chmod -R u=rwX,go=rX "$to"
       mkdir -p "$to/usr/bin" "$to/etc/systemd/system/multi-user.target.wants"
       for binary do
         install -m 0755 "$from/$binary" "$to/usr/bin/$binary"
       done
       ln -s /usr/lib/systemd/system/kubelet.service "$to/etc/systemd/system/multi-user.target.wants/"`,
      ...["sh", kubernetes, files, folder, ...HOST_BINARIES],
    ]);
  });
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}
