import { stringify } from "yaml";
import type { FirstBoot } from "./first-boot";
import { gzipBase64 } from "./gzip";

/** A cloud-config that is the user's own: top-level keys of `#cloud-config`. */
export type UserConfig = Readonly<Record<string, unknown>>;

/** Options of `cloudConfig`. */
export interface CloudConfigOptions {
  /** Default: that of the machine's metadata */
  readonly hostname?: string;
  /** What else the machine gets; its `write_files` and `runcmd` come before ours. Default: nothing */
  readonly userConfig?: UserConfig;
}

/** Keys that hold what we add. */
const LISTS = ["write_files", "runcmd"] as const;

/**
 * One machine's `#cloud-config` (cloud-init 22.4 and later), which makes its first boot. SECRET if
 * one of the files is. Only base64 and fixed paths stand in it: nothing looks like a template.
 *
 * @throws Error when the user's config has no list under one of these keys, or our files or hostname
 */
export function cloudConfig(boot: FirstBoot, options: CloudConfigOptions = {}): string {
  const { hostname, userConfig = {} } = options;
  const [files, commands] = LISTS.map((key) => listIn(userConfig, key)) as [unknown[], unknown[]];
  if (hostname !== undefined && "hostname" in userConfig) {
    throw new Error(
      "hostname of the user's cloud-config: leave it out, the machine's name is used",
    );
  }
  checkPaths(files, boot);
  const document = {
    ...(hostname === undefined ? {} : { hostname }),
    ...userConfig,
    write_files: [
      ...files,
      ...boot.files.map(({ path, mode, content }) => ({
        path,
        permissions: mode,
        encoding: "gzip+base64",
        content: gzipBase64(Buffer.from(content)),
      })),
    ],
    runcmd: [...commands, boot.beforeKubeadm, boot.afterKubeadm],
  };
  return `#cloud-config\n${stringify(document, { lineWidth: 0, singleQuote: true })}`;
}

function listIn(config: UserConfig, key: string): unknown[] {
  const list = config[key] ?? [];
  if (Array.isArray(list)) return list as unknown[];
  throw new Error(`${key} of the user's cloud-config: got ${typeof list}, expected a list`);
}

function checkPaths(files: readonly unknown[], boot: FirstBoot): void {
  const ours = new Set(boot.files.map(({ path }) => path));
  for (const file of files) {
    const path = (file as { path?: unknown } | null)?.path;
    if (typeof path === "string" && ours.has(path)) {
      throw new Error(`write_files of the user's cloud-config: ${path} is ours, leave it out`);
    }
  }
}
