/**
 * Copies HAProxy's binary for the updater, whose image cannot run it without its loader and
 * libraries. Pure.
 */

/** The command that checks a file with the copy, without the file's name. */
export function checkCommand(folder: string): string[] {
  const program = `${folder}/copy`;
  // prettier-ignore
  return [`${program}/loader`, "--library-path", `${program}/lib`, `${program}/haproxy`, "-c", "-f"];
}

/**
 * POSIX sh for a container of the HAProxy image: copies haproxy, its dynamic loader and its
 * libraries to FOLDER/copy, atomically.
 *
 * The loader itself lists the libraries (`--list`, as ldd does), in the same format for glibc and
 * musl. The exit code is always 0: without a copy HAProxy still starts, and the updater reports it.
 */
export function copyBinaryScript(folder: string): string {
  return `set -eu
target=${folder}
warn() { printf 'control-plane-lb: %s; haproxy.cfg will not be checked\\n' "$*" >&2; }
list() { # the loader of this image, and the lines with the libraries
  for loader in /lib64/ld-linux*.so.* /lib/ld-linux*.so.* /lib*/ld64.so.* /lib/ld-musl-*.so.1; do
    if [ -e "$loader" ] && libraries=$("$loader" --list "$1" 2>/dev/null); then return 0; fi
  done
  return 1
}
copy() {
  haproxy=$(command -v haproxy) || { warn "there is no haproxy on the PATH $PATH"; return; }
  list "$haproxy" || { warn "no dynamic loader of this image takes $haproxy"; return; }
  if mkdir -p "$target/.new/lib" &&
    cp "$haproxy" "$target/.new/haproxy" &&
    cp "$loader" "$target/.new/loader" &&
    printf '%s\\n' "$libraries" | while read -r name arrow file _; do
      # a line without an arrow is the loader or the vDSO
      [ "$arrow" != "=>" ] || cp "$file" "$target/.new/lib/\${name##*/}" || exit 1
    done &&
    mv "$target/.new" "$target/copy"; then return 0; fi
  warn "$haproxy could not be copied to $target"
}
# a copy of another image must not stay
rm -rf "$target/.new" "$target/copy" || warn "$target cannot be cleared"
copy || :
`;
}
