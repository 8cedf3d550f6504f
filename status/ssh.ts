import { spawn, type ChildProcess } from "node:child_process";
import type { SshEnd, SshTarget } from "../components/ssh/ssh-target";
import { BASTION_ALIAS, HOST_ALIAS, writeSshFiles, type SshFiles } from "./ssh-files";

/** Result of a command on a host. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Exit code of ssh(1) for its own errors. */
const SSH_FAILED = 255;

/** More than the longest status: a host must not exhaust the memory. */
const MAX_OUTPUT = 16_000_000;

/** The environment that ssh needs. The others of this process may be Pulumi's secrets. */
const SSH_VARIABLES = ["PATH", "HOME", "SHELL", "LANG", "LC_ALL", "TMPDIR", "SSH_AUTH_SOCK"];

/** Closes what must not outlive this process. */
const open = new Set<() => void>();
process.once("exit", () => open.forEach((close) => close()));

/**
 * Runs a script as root on a host by OpenSSH's `ssh`, through the bastion if the target has one.
 * Accepts the configured host key only.
 *
 * @throws Error that names the step that failed: connection, host key, login or time limit
 */
export async function runScript(
  target: SshTarget,
  script: string,
  timeoutMs: number,
): Promise<Ran> {
  const files = writeSshFiles(target);
  try {
    const ran = await execute(files, target, script, timeoutMs);
    if (ran.code !== SSH_FAILED) return ran;
    throw new Error(sshError(target, ran.stderr));
  } finally {
    files.remove();
  }
}

function execute(
  files: SshFiles,
  target: SshTarget,
  script: string,
  timeoutMs: number,
): Promise<Ran> {
  const command = target.user === "root" ? "sh -s" : "sudo -n sh -s";
  return new Promise((resolve, reject) => {
    // in a new session ssh has no terminal to prompt at; its process group includes the bastion's
    // ssh
    const child = spawn("ssh", ["-F", files.config, HOST_ALIAS, command], {
      detached: true,
      stdio: "pipe",
      env: {
        ...Object.fromEntries(SSH_VARIABLES.map((name) => [name, process.env[name]])),
        SSH_ASKPASS: files.askpass,
        SSH_ASKPASS_REQUIRE: "force",
        // OpenSSH before 8.4 calls SSH_ASKPASS only when there is a display
        DISPLAY: process.env["DISPLAY"] ?? ":0",
      },
    });
    const close = () => {
      killGroup(child);
      files.remove();
    };
    open.add(close);
    const timer = setTimeout(() => {
      killGroup(child);
      reject(new Error(`no result within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    let [stdout, stderr] = ["", ""];
    const read = (text: string, keep: () => void) => {
      if (stdout.length + stderr.length + text.length <= MAX_OUTPUT) return keep();
      killGroup(child);
      reject(new Error(`more than ${MAX_OUTPUT / 1_000_000} MB of output`));
    };
    child.stdout
      .setEncoding("utf8")
      .on("data", (text: string) => read(text, () => (stdout += text)));
    child.stderr
      .setEncoding("utf8")
      .on("data", (text: string) => read(text, () => (stderr += text)));
    // ssh may end without reading its input: its exit code decides, not EPIPE
    child.stdin.on("error", () => undefined).end(script);
    child.once("error", (cause: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      open.delete(close);
      const missing = "ssh is missing: install the OpenSSH client";
      reject(new Error(cause.code === "ENOENT" ? missing : cause.message, { cause }));
    });
    child.once("close", (code) => {
      clearTimeout(timer);
      open.delete(close);
      resolve({ code: code ?? 1, stdout, stderr });
    });
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // it has already ended
  }
}

/** Describes an error of ssh itself, and at which end it was. */
function sshError(target: SshTarget, stderr: string): string {
  const text = stderr
    .split("\n")
    .map((line) => line.trim().replace(/^ssh: /, ""))
    .filter((line) => line !== "" && !FOLLOW_UPS.test(line))
    .join("; ");
  const { bastion } = target;
  const atBastion = bastion !== undefined && isAbout(bastion, text);
  const end = atBastion ? bastion : target;
  const where = `SSH to ${atBastion ? "the bastion " : ""}${end.user}@${end.host}`;
  if (text.includes("Host key verification failed")) {
    return `${where}: the host key is not the configured one`;
  }
  if (text.includes("stdio forwarding failed")) {
    return `${where}: the bastion cannot reach ${target.host} port ${target.port}`;
  }
  if (text.includes("Permission denied") && end.privateKeyPassword !== undefined) {
    return `${where}: ${text} Check the key and privateKeyPassword`;
  }
  return `${where}: ${text || "ssh ended without an error message"}`;
}

/** Errors of the target's ssh after that of the bastion has ended. */
const FOLLOW_UPS = /^(kex_exchange_identification|Connection closed by UNKNOWN)/;

/** Whether ssh's message names the bastion: by alias for host keys, by address otherwise. */
function isAbout(bastion: SshEnd, text: string): boolean {
  return (
    new RegExp(`for ${BASTION_ALIAS} (and you|has changed)`).test(text) ||
    text.includes(`connect to host ${bastion.host} port ${bastion.port}:`) ||
    text.includes(`${bastion.user}@${bastion.host}: Permission denied`)
  );
}
