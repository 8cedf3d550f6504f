import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  cached,
  fingerprint,
  KUBERNETES_VERSION,
  type Log,
  run,
  withProgress,
} from "../../tools/src/index";
import { importImages } from "./containerd-content";
import { addImage, type ImageConfig } from "./oci";
import { labSource } from "./paths";
import {
  haproxyTree,
  makeHaproxyRoot,
  makeNodeRoot,
  makeProxyRoot,
  NODE_VERSION,
  ROOTS_RECIPE,
} from "./image-roots";

/** Images on the machines, under the names that kubeadm and the program use. */
export const IMAGES = {
  apiserver: `registry.k8s.io/kube-apiserver:v${KUBERNETES_VERSION}`,
  controllerManager: `registry.k8s.io/kube-controller-manager:v${KUBERNETES_VERSION}`,
  scheduler: `registry.k8s.io/kube-scheduler:v${KUBERNETES_VERSION}`,
  proxy: `registry.k8s.io/kube-proxy:v${KUBERNETES_VERSION}`,
  etcd: "registry.k8s.io/etcd:3.6.6-0",
  pause: "registry.k8s.io/pause:3.10.1",
  haproxy: "docker.io/library/haproxy:3.0.11",
  node: "docker.io/library/node:24-trixie-slim",
} as const;

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * As the upstream images: https://github.com/docker-library/haproxy (3.0),
 * https://github.com/nodejs/docker-node (24).
 */
const CONFIGS: Readonly<Record<keyof typeof IMAGES, ImageConfig>> = {
  apiserver: { Env: [PATH], WorkingDir: "/" },
  controllerManager: { Env: [PATH], WorkingDir: "/" },
  scheduler: { Env: [PATH], WorkingDir: "/" },
  proxy: { Env: [PATH], WorkingDir: "/" },
  etcd: { Env: [PATH], WorkingDir: "/" },
  pause: { Env: [PATH], User: "65535:65535", WorkingDir: "/", Entrypoint: ["/pause"] },
  haproxy: {
    Env: [PATH, "HAPROXY_VERSION=3.0.11"],
    User: "haproxy",
    WorkingDir: "/var/lib/haproxy",
    Entrypoint: ["docker-entrypoint.sh"],
    Cmd: ["haproxy", "-f", "/usr/local/etc/haproxy/haproxy.cfg"],
    StopSignal: "SIGUSR1",
  },
  node: {
    Env: [PATH, `NODE_VERSION=${NODE_VERSION}`],
    Entrypoint: ["docker-entrypoint.sh"],
    Cmd: ["node"],
  },
};

/** Raise it when the steps below change. */
const RECIPE = "1";

/** Inputs of the images: folders in the cache. */
export interface ImageSources {
  readonly kubernetes: string;
  readonly etcd: string;
  /** Root file system of the machines; its containerd imports the images. */
  readonly rootfs: string;
}

/**
 * Builds all images: a folder with `oci` (the layout) and `containerd` (/var/lib/containerd after
 * the import).
 */
export async function makeImages(sources: ImageSources, log: Log): Promise<string> {
  const pause = readFileSync(labSource("pause", "main.go"));
  const key = fingerprint(JSON.stringify([sources, IMAGES, CONFIGS]), ROOTS_RECIPE, RECIPE, pause);
  return cached("images", key, log, (folder) =>
    withProgress(log, "container images", async () => {
      const layout = join(folder, "oci");
      const scratch = join(folder, "scratch");
      for (const name of Object.keys(IMAGES) as (keyof typeof IMAGES)[]) {
        await run(["mkdir", "-p", scratch]);
        await fillRoot(name, scratch, sources, log);
        await addImage(layout, IMAGES[name], CONFIGS[name], scratch);
        await run(["rm", "-rf", "--one-file-system", scratch]);
      }
      await importImages(layout, join(folder, "containerd"), sources.rootfs);
    }),
  );
}

async function fillRoot(
  name: keyof typeof IMAGES,
  root: string,
  sources: ImageSources,
  log: Log,
): Promise<void> {
  switch (name) {
    case "haproxy":
      return makeHaproxyRoot(root, await haproxyTree("3.0", log));
    case "node":
      return makeNodeRoot(root);
    case "proxy":
      await makeProxyRoot(root);
      return installBinary(sources.kubernetes, "kube-proxy", root);
    case "pause":
      return buildPause(root);
    case "etcd":
      return installBinary(sources.etcd, "etcd", root);
    case "apiserver":
      return installBinary(sources.kubernetes, "kube-apiserver", root);
    case "controllerManager":
      return installBinary(sources.kubernetes, "kube-controller-manager", root);
    case "scheduler":
      return installBinary(sources.kubernetes, "kube-scheduler", root);
  }
}

async function installBinary(from: string, binary: string, root: string): Promise<void> {
  const source = join(from, binary);
  if (!existsSync(source)) throw new Error(`${source}: missing in the build: remove ${from}`);
  await run(["install", "-D", "-m", "0755", source, join(root, "usr/local/bin", binary)]);
}

/** The pause container's program, from lab/pause: it needs no module. */
async function buildPause(folder: string): Promise<void> {
  await run(
    ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", join(folder, "pause"), "main.go"],
    { cwd: labSource("pause"), env: { CGO_ENABLED: "0", GO111MODULE: "off" } },
  );
}
