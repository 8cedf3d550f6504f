import type { types } from "@pulumi/command";
import { secret } from "@pulumi/pulumi";
import type { SshEnd, SshTarget } from "./ssh-target";

/** The command provider's connection; keys and passphrases are secret. */
export function connectionTo(target: SshTarget): types.input.remote.ConnectionArgs {
  const { bastion, ...end } = target;
  return { ...endOf(end), ...(bastion === undefined ? {} : { proxy: endOf(bastion) }) };
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
