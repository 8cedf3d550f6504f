import { createHash } from "node:crypto";
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { run } from "../../tools/src/index";

/** How an image runs: `config` of the OCI image specification. */
export interface ImageConfig {
  readonly User?: string;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly StopSignal?: string;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

const OCI = "application/vnd.oci.image";

/**
 * Adds an image with one layer to an OCI layout folder, which is created if it is missing.
 *
 * @param reference full name with tag, stored in the annotation that `ctr images import` reads
 * @param root the file system of the image
 */
export async function addImage(
  layout: string,
  reference: string,
  config: ImageConfig,
  root: string,
): Promise<void> {
  const blobs = join(layout, "blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  const layerFile = join(layout, "layer.tar");
  await run([
    ...["tar", "--create", "--file", layerFile, "--directory", root, "--numeric-owner"],
    ...["--sort=name", "--mtime=@0", "--one-file-system", "."],
  ]);
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(layerFile)) hash.update(chunk as Buffer);
  const digest = `sha256:${hash.digest("hex")}`;
  const size = statSync(layerFile).size;
  renameSync(layerFile, join(blobs, digest.slice("sha256:".length)));

  const document = (mediaType: string, content: object): Descriptor => {
    const bytes = Buffer.from(JSON.stringify(content));
    const name = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(join(blobs, name), bytes);
    return { mediaType, digest: `sha256:${name}`, size: bytes.length };
  };
  const configuration = document(`${OCI}.config.v1+json`, {
    architecture: goArchitecture(),
    os: "linux",
    config,
    rootfs: { type: "layers", diff_ids: [digest] },
  });
  const manifest = document(`${OCI}.manifest.v1+json`, {
    schemaVersion: 2,
    mediaType: `${OCI}.manifest.v1+json`,
    config: configuration,
    layers: [{ mediaType: `${OCI}.layer.v1.tar`, digest, size }],
  });
  const annotations = {
    "io.containerd.image.name": reference,
    "org.opencontainers.image.ref.name": reference.slice(reference.lastIndexOf(":") + 1),
  };
  writeIndex(layout, [...readIndex(layout), { ...manifest, annotations }]);
}

/** Full name to configuration of every image in a layout folder. */
export function imageConfigs(layout: string): Record<string, ImageConfig> {
  const blob = (digest: string): unknown =>
    JSON.parse(readFileSync(join(layout, "blobs/sha256", digest.slice("sha256:".length)), "utf8"));
  const configs: Record<string, ImageConfig> = {};
  for (const entry of readIndex(layout)) {
    const manifest = blob(entry.digest) as { config: Descriptor };
    const configuration = blob(manifest.config.digest) as { config: ImageConfig };
    configs[entry.annotations?.["io.containerd.image.name"] ?? entry.digest] = configuration.config;
  }
  return configs;
}

function readIndex(layout: string): Descriptor[] {
  const file = join(layout, "index.json");
  if (!existsSync(file)) return [];
  return (JSON.parse(readFileSync(file, "utf8")) as { manifests: Descriptor[] }).manifests;
}

function writeIndex(layout: string, manifests: readonly Descriptor[]): void {
  const mediaType = `${OCI}.index.v1+json`;
  writeFileSync(
    join(layout, "index.json"),
    JSON.stringify({ schemaVersion: 2, mediaType, manifests }),
  );
  writeFileSync(join(layout, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
}

function goArchitecture(): string {
  return process.arch === "x64" ? "amd64" : process.arch;
}
