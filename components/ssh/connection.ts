import type { types } from "@pulumi/command";
import { secret } from "@pulumi/pulumi";
import type { SshEnd, SshTarget } from "./ssh-target";

/** The command provider's connection; keys and passphrases are secret. */
export function connectionTo(target: SshTarget): types.input.remote.ConnectionArgs {
  const { bastion, ...end } = target;
  return { ...endOf(end), ...(bastion === undefined ? {} : { proxy: endOf(bastion) }) };
}

const CREDENTIALS = ["privateKey", "privateKeyPassword", "agentSocketPath"];

/** Paths of the connection's inputs that a preview without credentials does not know. */
export function unknownInputs({ bastion, ...end }: SshTarget): string[] {
  const of = (path: string, { unknownCredentials = false }: SshEnd) =>
    unknownCredentials ? CREDENTIALS.map((name) => `${path}.${name}`) : [];
  return [
    ...of("connection", end),
    ...(bastion === undefined ? [] : of("connection.proxy", bastion)),
  ];
}

function endOf(end: SshEnd) {
  const { host, port, user, hostKey, privateKey, privateKeyPassword, agentSocketPath } = end;
  return {
    host,
    port,
    user,
    hostKey,
    ...(privateKey === undefined ? {} : { privateKey: secret(privateKey) }),
    ...(privateKeyPassword === undefined ? {} : { privateKeyPassword: secret(privateKeyPassword) }),
    ...(agentSocketPath === undefined ? {} : { agentSocketPath }),
  };
}
