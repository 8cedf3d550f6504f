import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { parse } from "yaml";
import { cloudConfig } from "../../../host/user-data/cloud-config";
import type { FirstBoot } from "../../../host/user-data/first-boot";
import type { Outcome } from "./machine-root";
import { PartRoot } from "./part-root";

/** cloud-init's script with all commands. */
const SCRIPT = "/var/lib/cloud/instance/scripts/runcmd";

/** cloud-init's own record of its stages, and the link by which it reads that. */
const STATUS = { file: "var/lib/cloud/data/status.json", link: "run/cloud-init/status.json" };

interface CloudConfig {
  readonly write_files: readonly { path: string; permissions: string; content: string }[];
}

/** A machine on its first boot; cloud-init is a stand-in that writes files and runs a script. */
export class BootRoot extends PartRoot {
  static override async create(): Promise<BootRoot> {
    const machine = new BootRoot();
    await machine.begins();
    await machine.must(`mkdir -p /var/log /fake
: >/fake/console
mount --bind /fake/console /dev/console`);
    return machine;
  }

  /** What cloud-init does before its last stage. */
  receive(boot: FirstBoot): void {
    const { write_files: files } = parse(cloudConfig(boot)) as CloudConfig;
    for (const { path: file, permissions, content } of files) {
      const target = path.join(this.root, file);
      mkdirSync(path.dirname(target), { recursive: true });
      writeFileSync(target, gunzipSync(Buffer.from(content, "base64")));
      chmodSync(target, parseInt(permissions, 8));
    }
    const commands = [boot.beforeKubeadm, "echo kubeadm >>/fake/calls", boot.afterKubeadm];
    this.put(SCRIPT, `#!/bin/sh\n${commands.join("\n")}\n`);
    this.put(STATUS.file, '{"v1": {"modules-final": {"errors": ["its own"]}, "stage": null}}');
    mkdirSync(path.join(this.root, path.dirname(STATUS.link)), { recursive: true });
    if (!existsSync(path.join(this.root, STATUS.link))) {
      symlinkSync(`../../${STATUS.file}`, path.join(this.root, STATUS.link));
    }
  }

  /** What cloud-init does in its last stage. */
  boots(): Promise<Outcome> {
    return this.begin(`exec sh ${SCRIPT}`).done;
  }

  /** The operator's way after a repair. */
  again(): Promise<Outcome> {
    return this.begin("exec sh /var/lib/control-plane-lb/first-boot/run again").done;
  }

  /** Errors of cloud-init's last stage: as `cloud-init status` reads them, and as it wrote them. */
  errors(): { shown: readonly string[]; own: readonly string[] } {
    const read = (file: string) =>
      (
        JSON.parse(readFileSync(path.join(this.root, file), "utf8")) as {
          v1: { "modules-final": { errors: string[] } };
        }
      ).v1["modules-final"].errors;
    return { shown: read(STATUS.link), own: read(STATUS.file) };
  }

  file(name: string): string {
    return readFileSync(path.join(this.root, name), "utf8");
  }

  put(name: string, text: string): void {
    const target = path.join(this.root, name);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, text, { mode: 0o644 });
  }
}
