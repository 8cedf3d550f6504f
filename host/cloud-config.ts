import { stringify } from "yaml";
import { checkPart } from "./check-part";
import { filesOf, foldersFile, READY_SECONDS, type HostPart } from "./part";
import { quote, quoteWords } from "./shell";

/**
 * cloud-init's user data (`#cloud-config`) for parts that are data alone, in their order: files,
 * accounts, folders, sysctls, units. Each unit starts and becomes ready before the next one starts.
 *
 * It renders the forward; other parts are not supported. It refuses imperative steps, except
 * `discard` and those of removal, which a new host does not need. It also refuses units whose
 * readiness test is a function, and packages, whose versions it could not check.
 *
 * @throws Error when a part needs more than that
 */
export function cloudConfig(parts: readonly HostPart[]): string {
  for (const part of parts) {
    checkPart(part);
    check(part);
  }
  const users = parts.flatMap((part) => part.users ?? []);
  return `#cloud-config\n${stringify({
    // without "default" cloud-init would leave out the image's own user
    ...(users.length === 0 ? {} : { users: ["default", ...users.map(account)] }),
    write_files: parts.flatMap(filesOf).map(({ path, mode, group = "root", content }) => ({
      path,
      owner: `root:${group}`,
      permissions: mode,
      encoding: "b64",
      content: Buffer.from(content).toString("base64"),
      // groups exist only after cloud-init has made the users
      ...(group === "root" ? {} : { defer: true }),
    })),
    // one command: after a failed one, cloud-init would run the next
    runcmd: [["sh", "-c", parts.flatMap(commands).join("\n")]],
  })}`;
}

function check({ owner, packages = [], units = [], steps = {} }: HostPart): void {
  const { check: refuses, prepare, beforeStart, afterStart } = steps;
  const needs = [
    ...([refuses, prepare, beforeStart, afterStart].some(Boolean) ? ["imperative steps"] : []),
    ...(packages.length > 0 ? ["packages with versions"] : []),
    ...units
      .filter(({ ready }) => ready !== undefined && ready[0]?.startsWith("/") !== true)
      .map(({ name }) => `a function that says whether ${name} is ready`),
  ];
  if (needs.length > 0) {
    throw new Error(
      `part ${owner} cannot be rendered as cloud-config: it needs ${needs.join(", ")}`,
    );
  }
}

function account({ name, comment }: { readonly name: string; readonly comment: string }) {
  return { name, gecos: comment, system: true, no_create_home: true, shell: "/usr/sbin/nologin" };
}

function commands({ owner, folders = [], sysctls = {}, units = [] }: HostPart): string[] {
  return [
    "set -eu",
    ...(folders.length > 0 ? [`systemd-tmpfiles --create ${foldersFile(owner)}`] : []),
    ...(Object.keys(sysctls).length > 0 ? ["sysctl --system"] : []),
    "systemctl daemon-reload",
    ...units.flatMap(({ name, ready, deadlineSeconds = READY_SECONDS }) => [
      `systemctl enable --now ${name}`,
      ...(ready === undefined
        ? []
        : [
            `timeout ${deadlineSeconds} sh -c ${quote(`until ${quoteWords(ready)}; do sleep 1; done`)}`,
          ]),
    ]),
  ];
}
