import { removeTree, run } from "../../tools/src/index";

/**
 * Imports all images of an OCI layout into `folder`, which becomes a ready /var/lib/containerd. The
 * machines' own containerd imports, in a private mount namespace. Machines start with copies: one
 * import serves all.
 */
export async function importImages(layout: string, folder: string, rootfs: string): Promise<void> {
  await run(["unshare", "--mount", "--fork", "--pid", "--kill-child", "--mount-proc", "sh", "-s"], {
    input: importScript(layout, folder, rootfs),
    dieWithParent: true,
    title: "import of the images by containerd",
    timeoutMs: 600_000,
  });
}

function importScript(layout: string, folder: string, rootfs: string): string {
  return `set -eu
work="${folder}.work"
mkdir -p "$work/upper" "$work/overlay" "$work/root" "${folder}"
mount -t overlay overlay -o "lowerdir=${rootfs},upperdir=$work/upper,workdir=$work/overlay" "$work/root"
mount -t proc proc "$work/root/proc"
mount --rbind /dev "$work/root/dev"
mount -t tmpfs tmpfs "$work/root/run"
mkdir -p "$work/root/run/oci" "$work/root/var/lib/containerd"
mount --bind "${folder}" "$work/root/var/lib/containerd"
mount --bind "${layout}" "$work/root/run/oci"
cat > "$work/root/run/config.toml" <<'END'
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
END
chroot "$work/root" sh -euc '
  containerd --config /run/config.toml --log-level warn &
  daemon=$!
  tries=0
  until ctr version >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { echo "containerd does not answer" >&2; exit 1; }
    sleep 0.2
  done
  tar -C /run/oci -c . | ctr -n k8s.io images import --snapshotter overlayfs -
  kill "$daemon"
  wait "$daemon" || true
'
umount -l "$work/root"
rm -rf --one-file-system "$work"
# The content is already in the layout: one copy on the disk is enough.
cd "${layout}/blobs/sha256"
for blob in *; do
  ln -f "$blob" "${folder}/io.containerd.content.v1.content/blobs/sha256/$blob"
done
`;
}

/**
 * Makes a machine's /var/lib/containerd. Layers and content are hard links, because they are never
 * written in place: overlayfs copies up, containerd only adds and unlinks. The databases are
 * copied.
 */
export async function copyContent(source: string, target: string): Promise<void> {
  const copy = (how: readonly string[], check: boolean) =>
    run(["cp", "-a", ...how, source, target], { check, dieWithParent: true });
  if ((await copy(["--link"], false)).code !== 0) {
    // the cache is on another file system
    await removeTree(target);
    await copy(["--reflink=auto"], true);
  }
  const databases = `cd "$1"; find . -name '*.db' -exec cp -a --remove-destination {} "$2/{}" ';'`;
  await run(["sh", "-euc", databases, "sh", source, target], { dieWithParent: true });
}
