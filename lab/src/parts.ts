import { join } from "node:path";
import { buildProgram, type Log } from "../../tools/src/index";
import { makeImages } from "./images";
import { makeKubernetesLayer } from "./kubernetes-layer";
import { ensureCommands } from "./packages";
import { makeRootfs } from "./rootfs";

/** What machines are made of. All are folders in the cache, and none is ever written to again. */
export interface Parts {
  /** Lower file systems of a machine's disk, the upper one first. */
  readonly lowers: readonly string[];
  /** OCI layout with all images. */
  readonly imageLayout: string;
  /** What a fresh machine has in /var/lib/containerd. */
  readonly containerdContent: string;
}

/** Builds what is missing, reuses what is there. From nothing it takes about 10 minutes on 2 cores, most of it Kubernetes. */
export async function makeParts(log: Log): Promise<Parts> {
  await ensureCommands(log);
  // One after the other: each of them keeps all cores busy.
  const etcd = await buildProgram("etcd", log);
  const kubernetes = await buildProgram("kubernetes", log);
  const rootfs = await makeRootfs(log);
  const layer = await makeKubernetesLayer(kubernetes, log);
  const images = await makeImages({ kubernetes, etcd, rootfs }, log);
  return {
    lowers: [layer, rootfs],
    imageLayout: join(images, "oci"),
    containerdContent: join(images, "containerd"),
  };
}
