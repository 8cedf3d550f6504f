import { join } from "node:path";
import { buildProgram, type Log } from "../../tools/src/index";
import { makeImages } from "./images";
import { makeKubernetesLayer } from "./kubernetes-layer";
import { ensureCommands } from "./packages";
import { makeRootfs } from "./rootfs";

/** Inputs of machines: folders in the cache, which are never written to again. */
export interface Parts {
  /** Lower file systems of a machine's disk, the upper one first. */
  readonly lowers: readonly string[];
  /** OCI layout with all images. */
  readonly imageLayout: string;
  /** /var/lib/containerd of a new machine. */
  readonly containerdContent: string;
}

/**
 * Builds missing parts. With an empty cache this takes about 10 minutes on 2 cores, mostly for
 * Kubernetes.
 */
export async function makeParts(log: Log): Promise<Parts> {
  await ensureCommands(log);
  // one after the other: each build uses all cores
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
