import { basename } from "node:path/posix";
import type { BootFile, FirstBoot } from "./first-boot";
import { gzipBase64 } from "./gzip";

/** An entry of `files` in Cluster API's KubeadmConfigSpec. */
export interface KubeadmConfigFile {
  readonly path: string;
  readonly permissions: string;
  readonly encoding: "gzip+base64";
  /** It goes on with the file of the entry before. */
  readonly append?: true;
  readonly content?: string;
  readonly contentFrom?: { readonly secret: { readonly name: string; readonly key: string } };
}

/** What a first boot adds to a KubeadmConfigSpec; v1beta1 and v1beta2 have the same fields. */
export interface KubeadmConfigSpecFragment {
  readonly files: readonly KubeadmConfigFile[];
  readonly preKubeadmCommands: readonly string[];
  readonly postKubeadmCommands: readonly string[];
}

/** Longest `content` that the API takes. */
const MAX_CONTENT_LENGTH = 10_240;

/**
 * The first boot of all control-plane nodes, for Cluster API's kubeadm bootstrap provider. A file
 * that is too long for one entry takes several.
 *
 * @param secretName of the Secret with `kubeadmConfigSecret`, in the namespace of the KubeadmConfig
 * @throws Error when a file is secret and there is no `secretName`
 */
export function kubeadmConfigSpecFragment(
  boot: FirstBoot,
  secretName?: string,
): KubeadmConfigSpecFragment {
  return {
    files: boot.files.flatMap((file) =>
      file.secret === true ? [secretFile(file, secretName)] : plainFiles(file),
    ),
    preKubeadmCommands: [boot.beforeKubeadm],
    postKubeadmCommands: [boot.afterKubeadm],
  };
}

/** SECRET. Data of the Secret that the fragment names, as text by key; empty: it needs none. */
export function kubeadmConfigSecret(boot: FirstBoot): Record<string, string> {
  return Object.fromEntries(
    boot.files
      .filter(({ secret }) => secret)
      .map(({ path, content }) => [basename(path), gzipBase64(Buffer.from(content))]),
  );
}

function secretFile({ path, mode }: BootFile, name: string | undefined): KubeadmConfigFile {
  if (name === undefined) throw new Error(`${path} holds a credential: name a Secret for it`);
  const contentFrom = { secret: { name, key: basename(path) } };
  return { path, permissions: mode, encoding: "gzip+base64", contentFrom };
}

function plainFiles({ path, mode, content }: BootFile): KubeadmConfigFile[] {
  return pieces(Buffer.from(content)).map((piece, index) => ({
    path,
    permissions: mode,
    encoding: "gzip+base64",
    ...(index === 0 ? {} : { append: true }),
    content: piece,
  }));
}

/** As few equal pieces as each fit into an entry. */
function pieces(content: Uint8Array): string[] {
  for (let count = 1; ; count += 1) {
    const length = Math.max(1, Math.ceil(content.length / count));
    const encoded = Array.from({ length: count }, (_, index) =>
      gzipBase64(content.subarray(index * length, (index + 1) * length)),
    );
    if (encoded.every((piece) => piece.length <= MAX_CONTENT_LENGTH)) return encoded;
  }
}
