import { createHash } from "node:crypto";
import { HOST_STATE_DIR } from "../names";
import { quote } from "./shell";

/** An absolute path that sh reads as one word. */
export const PATH = /^(\/(?!\.\.(?:\/|$))[A-Za-z0-9@_+:.-]+)+$/;

/** A user or a group. */
export const NAME = /^[a-z_][a-z0-9_-]{0,31}$/;

/** A file that the program owns on a host. */
export interface HostFile {
  /** Absolute path. */
  readonly path: string;
  /** Octal mode as for chmod, like "0644". The owner is root. */
  readonly mode: string;
  /** Default: root. It must exist when the file is installed. */
  readonly group?: string;
  readonly content: string;
}

/** Name of a content in the folder that `installFiles` may take contents from. */
export function stagedName(content: string): string {
  return sha256(content).slice(0, 16);
}

/**
 * Sh (for `hostScript`) that makes the owner's files exactly this list.
 *
 * Each file is written to a temporary name in its folder, checked, synced and renamed. A foreign
 * file at the same path is kept under HOST_STATE_DIR/backup. Files that are no longer listed are
 * removed. HOST_STATE_DIR/manifests/OWNER lists our files, one "sha256 mode path" per line; it is
 * written before the first file, so an interrupted run loses nothing.
 *
 * Sets `changed` (yes or no) and `changed_files` (the paths written or removed, each between
 * blanks).
 *
 * @param stage folder on the host that holds each content, as `stagedName`. Default: the text does
 * @throws Error when the owner, a path or a mode does not fit into a manifest
 */
export function installFiles(owner: string, files: readonly HostFile[], stage?: string): string {
  checkFiles(owner, files);
  const lines = files.map((file) => `${sha256(file.content)} ${file.mode} ${file.path}`);
  return [
    functions(stage === undefined ? "base64 -d" : "cat"),
    `files_begin ${quote(owner)} <<'END_OF_MANIFEST'`,
    ...lines,
    "END_OF_MANIFEST",
    ...files.flatMap((file) => {
      const { path, mode, group = "root", content } = file;
      const put = `files_put ${quote(path)} ${mode} ${group} ${sha256(content)}`;
      return stage === undefined
        ? [`${put} <<'END_OF_FILE'`, ...base64Lines(content), "END_OF_FILE"]
        : [`${put} <${quote(`${stage}/${stagedName(content)}`)}`];
    }),
    "files_end",
  ].join("\n");
}

/**
 * Sh (for `hostScript`) that removes what the owner's manifest lists and puts foreign files back.
 * TIDY_STATE comes last.
 */
export function removeFiles(owner: string): string {
  checkFiles(owner, []);
  return [functions("base64 -d"), `files_begin ${quote(owner)} </dev/null`, "files_end"].join("\n");
}

/** Sh (after `removeFiles`) that removes empty folders that we made, HOST_STATE_DIR among them. */
export const TIDY_STATE = "files_tidy";

/** @throws Error when the owner, a path or a mode cannot stand in a manifest */
export function checkFiles(owner: string, files: readonly HostFile[]): void {
  if (!/^[a-z0-9][a-z0-9.-]*$/.test(owner)) {
    throw new Error(`owner of files: got "${owner}", expected lower-case letters, digits, - and .`);
  }
  for (const { path, mode, group = "root" } of files) {
    if (!PATH.test(path)) {
      throw new Error(`file "${path}" of ${owner}: expected an absolute path without blanks`);
    }
    if (!/^0?[0-7]{3}$/.test(mode)) {
      throw new Error(`file ${path} of ${owner}: got mode "${mode}", expected octal like 0644`);
    }
    if (!NAME.test(group)) {
      throw new Error(`file ${path} of ${owner}: got group "${group}", expected a name`);
    }
  }
  if (new Set(files.map((file) => file.path)).size !== files.length) {
    throw new Error(`files of ${owner}: two files have the same path`);
  }
}

function sha256(content: string): string {
  return createHash("sha256").update(content).digest("hex");
}

function base64Lines(content: string): string[] {
  return (
    Buffer.from(content)
      .toString("base64")
      .match(/.{1,120}/g) ?? []
  );
}

// Backups first, then the manifest (old and new paths), then files. So after an interruption every
// path that we may have written is listed, and every foreign file is in its place or in the backup.
const functions = (decode: "base64 -d" | "cat") => `files_state=${HOST_STATE_DIR}
files_write() { # stdin replaces file $1
  files_temp=$(mktemp "\${1%/*}/.control-plane-lb.XXXXXX")
  cat >"$files_temp"
  chmod "\${2:-0644}" "$files_temp"
  sync "$files_temp"
  mv -f "$files_temp" "$1"
}
files_note() { # remembers the paths that this run changed
  changed=yes
  changed_files="$changed_files$1 "
}
files_folder() { # makes folder $1 and remembers each folder that was missing
  [ -n "$1" ] && [ ! -d "$1" ] || return 0
  files_folder "\${1%/*}"
  grep -qxF -- "$1" "$files_state/folders" || printf '%s\\n' "$1" >>"$files_state/folders"
  mkdir "$1"
}
files_listed() { # is path $1 in manifest $2
  while read -r _ _ files_path; do
    [ "$files_path" != "$1" ] || return 0
  done <"$2"
  return 1
}
files_backup() { # keeps the foreign file $1
  [ ! -d "$1" ] || [ -L "$1" ] || fail "$1 is a folder, but a file is needed there: move it away"
  [ -e "$1" ] || [ -L "$1" ] || return 0
  mkdir -p "$files_state/backup\${1%/*}"
  cp -a "$1" "$files_state/backup$1.new"
  mv -fT "$files_state/backup$1.new" "$files_state/backup$1"
}
files_take_away() { # removes our file $1 or puts the foreign one back; its backup stays until the manifest is written
  if [ -e "$files_state/backup$1" ] || [ -L "$files_state/backup$1" ]; then
    mkdir -p "\${1%/*}"
    cp -a "$files_state/backup$1" "\${1%/*}/.control-plane-lb.back"
    mv -fT "\${1%/*}/.control-plane-lb.back" "$1"
    files_note "$1"
  elif [ -e "$1" ] || [ -L "$1" ]; then
    rm -f "$1"
    files_note "$1"
  fi
}
files_begin() { # owner $1, desired manifest on stdin
  # shellcheck disable=SC2034 # a removal does not report it
  changed=no
  changed_files=" "
  files_manifest=$files_state/manifests/$1
  mkdir -p "$files_state/manifests" "$files_state/backup"
  : >>"$files_state/folders"
  # left by an interrupted run
  rm -f "$files_state"/manifests/.control-plane-lb.*
  cat >"$files_state/desired"
  [ -e "$files_manifest" ] || : >"$files_manifest"
  while read -r _ _ files_target; do
    files_listed "$files_target" "$files_manifest" || files_backup "$files_target"
  done <"$files_state/desired"
  {
    cat "$files_state/desired"
    while read -r files_sum files_mode files_target; do
      files_listed "$files_target" "$files_state/desired" || printf '%s %s %s\\n' "$files_sum" "$files_mode" "$files_target"
    done <"$files_manifest"
  } >"$files_state/both"
  files_write "$files_manifest" <"$files_state/both"
  while read -r _ _ files_target; do
    rm -f "\${files_target%/*}"/.control-plane-lb.*
  done <"$files_state/both"
  rm -f "$files_state/both"
}
files_put() { # path $1, mode $2, group $3, sha256 $4, base64 of the content on stdin
  files_folder "\${1%/*}"
  if [ -f "$1" ] && [ ! -L "$1" ] &&
    [ "$(stat -c '%a %u %G' "$1")" = "\${2#0} 0 $3" ] &&
    [ "$(sha256sum <"$1")" = "$4  -" ]; then
    return 0
  fi
  files_temp=$(mktemp "\${1%/*}/.control-plane-lb.XXXXXX")
  ${decode} >"$files_temp"
  [ "$(sha256sum <"$files_temp")" = "$4  -" ] || fail "$1: its content was damaged in transit; run this again"
  chgrp "$3" "$files_temp"
  chmod "$2" "$files_temp"
  sync "$files_temp"
  mv -fT "$files_temp" "$1"
  files_note "$1"
}
files_end() { # removes what is no longer desired and writes the final manifest
  while read -r _ _ files_target; do
    files_listed "$files_target" "$files_state/desired" || files_take_away "$files_target"
  done <"$files_manifest"
  if [ -s "$files_state/desired" ]; then
    files_write "$files_manifest" <"$files_state/desired"
  else
    rm -f "$files_manifest"
  fi
  rm -f "$files_state/desired"
  files_drop_backups
}
files_drop_backups() { # removes backups that were restored: no manifest lists their paths
  find "$files_state/backup" ! -type d >"$files_state/backups"
  while read -r files_kept; do
    files_used=no
    for files_each in "$files_state"/manifests/*; do
      [ ! -f "$files_each" ] || ! files_listed "\${files_kept#"$files_state/backup"}" "$files_each" || files_used=yes
    done
    [ "$files_used" = yes ] || rm -f "$files_kept"
  done <"$files_state/backups"
  rm -f "$files_state/backups"
}
files_tidy() { # removes empty folders of ours, the deepest first
  sort -ru "$files_state/folders" >"$files_state/folders.sorted"
  while read -r files_each; do
    [ ! -d "$files_each" ] || rmdir "$files_each" 2>/dev/null || printf '%s\\n' "$files_each"
  done <"$files_state/folders.sorted" >"$files_state/folders.left"
  mv -f "$files_state/folders.left" "$files_state/folders"
  rm -f "$files_state/folders.sorted"
  [ -s "$files_state/folders" ] || rm -f "$files_state/folders"
  # an interrupted run may have left empty ones of others too
  find "$files_state" -depth -type d -exec rmdir {} + 2>/dev/null || :
}`;
