import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { SshEnd, SshTarget } from "../components/ssh/ssh-target";
import { quote } from "../host/shell";

/** Time for one connection, in seconds: an unreachable host must not delay the others. */
const CONNECT_SECONDS = 10;

/** Alias of the target in the generated configuration; ssh uses it in its messages. */
export const HOST_ALIAS = "host";

/** Alias of the bastion, likewise. */
export const BASTION_ALIAS = "bastion";

/** Files for one call of OpenSSH's `ssh`. */
export interface SshFiles {
  /** ssh_config(5) that defines HOST_ALIAS. */
  readonly config: string;
  /** Program for SSH_ASKPASS that prints the passphrase of the key that ssh asks for. */
  readonly askpass: string;
  /** Removes all files. */
  remove(): void;
}

/**
 * Writes ssh's configuration, known hosts and keys into a temporary folder that only this user can
 * read. Keys and passphrases never appear on a command line.
 */
export function writeSshFiles(target: SshTarget): SshFiles {
  const folder = mkdtempSync(path.join(tmpdir(), "control-plane-lb-status-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const write = (name: string, text: string, mode = 0o600) => {
    const file = path.join(folder, name);
    writeFileSync(file, text, { mode });
    return file;
  };
  try {
    const ends = [
      { alias: HOST_ALIAS, end: target },
      ...(target.bastion === undefined ? [] : [{ alias: BASTION_ALIAS, end: target.bastion }]),
    ];
    for (const { alias, end } of ends) {
      // OpenSSH refuses a key without the final newline
      if (end.privateKey !== undefined) write(`${alias}.key`, `${end.privateKey.trimEnd()}\n`);
      write(`${alias}.passphrase`, `${end.privateKeyPassword ?? ""}\n`);
    }
    const knownHosts = write(
      "known_hosts",
      ends.map(({ alias, end }) => `${alias} ${end.hostKey}\n`).join(""),
    );
    const hosts = ends.map(({ alias, end }) => hostSection(alias, end, folder));
    const file = path.join(folder, "ssh_config");
    const config = [
      ...(hosts[0] ?? []),
      ...(target.bastion === undefined ? [] : [jump(file)]),
      ...(hosts[1] ?? []),
      ...commonSection(knownHosts),
    ];
    return {
      config: write(path.basename(file), `${config.join("\n")}\n`),
      askpass: write("askpass", ASKPASS, 0o700),
      remove,
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** ssh's prompt names the file of the key. */
const ASKPASS = `#!/bin/sh
case $1 in
*/${BASTION_ALIAS}.key*) exec cat "\${0%/*}/${BASTION_ALIAS}.passphrase" ;;
*) exec cat "\${0%/*}/${HOST_ALIAS}.passphrase" ;;
esac
`;

function hostSection(alias: string, end: SshEnd, folder: string): string[] {
  const agent = end.agentSocketPath;
  const ownKey = end.privateKey !== undefined;
  return [
    `Host ${alias}`,
    `  HostName ${quoted(end.host)}`,
    `  Port ${end.port}`,
    `  User ${quoted(end.user, false)}`,
    `  HostKeyAlias ${alias}`,
    `  IdentityFile ${ownKey ? quoted(path.join(folder, `${alias}.key`)) : "none"}`,
    // the keys of the user's agent, offered first, could exceed the server's limit of attempts
    `  IdentitiesOnly ${ownKey && agent === undefined ? "yes" : "no"}`,
    ...(agent === undefined ? [] : [`  IdentityAgent ${quoted(agent)}`]),
  ];
}

/** As ProxyJump, which does not quote the file's path. */
function jump(config: string): string {
  return `  ProxyCommand ssh -F ${quote(config).replaceAll("%", "%%")} -W '[%h]:%p' ${BASTION_ALIAS}`;
}

function commonSection(knownHosts: string): string[] {
  return [
    "Host *",
    `  UserKnownHostsFile ${quoted(knownHosts)}`,
    "  GlobalKnownHostsFile /dev/null",
    "  StrictHostKeyChecking yes",
    "  UpdateHostKeys no",
    "  PreferredAuthentications publickey",
    `  ConnectTimeout ${CONNECT_SECONDS}`,
    "  ServerAliveInterval 5",
    "  ControlPath none",
    "  RequestTTY no",
    "  LogLevel ERROR",
  ];
}

/** Quotes a value for ssh_config(5), where ssh expands %. */
function quoted(value: string, expands = true): string {
  if (/["\n]/.test(value)) throw new Error(`ssh cannot take the value ${JSON.stringify(value)}`);
  return `"${expands ? value.replaceAll("%", "%%") : value}"`;
}
