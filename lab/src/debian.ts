import { run } from "../../tools/src/index";

/** Unpacked Debian packages, or an installed minimal system. */
export interface DebianTree {
  readonly suite: "bookworm" | "trixie";
  /** `extract` only unpacks (no accounts, no alternatives); `minbase` installs. */
  readonly variant: "extract" | "minbase";
  readonly packages: readonly string[];
}

/** Fills `folder` from the Debian archive by mmdebstrap, which mounts in a private namespace. */
export async function makeDebianTree(tree: DebianTree, folder: string): Promise<void> {
  await run(
    [
      "mmdebstrap",
      `--variant=${tree.variant}`,
      `--include=${tree.packages.join(",")}`,
      tree.suite,
      folder,
      "http://deb.debian.org/debian",
    ],
    { dieWithParent: true, title: `mmdebstrap ${tree.variant} ${tree.suite}` },
  );
}
