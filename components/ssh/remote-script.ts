import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { quoteWords } from "../../host/shell";
import { stackName } from "../stack-name";
import { connectionTo, unknownInputs } from "./connection";
import type { SshTarget } from "./ssh-target";

/** A script for one host. */
export interface RemoteScriptArgs {
  readonly target: SshTarget;
  /** Name of the machine for which it runs; the host records it together with the stack. */
  readonly node: string;
  /**
   * A host script (`hostScript`): idempotent, started with `apply`, or with `remove`. It travels by
   * stdin: argv and environment are public.
   */
  readonly script: pulumi.Input<string>;
  /** Run it with `apply`. Default: true; false contacts the host only when it is deleted. */
  readonly applies?: boolean;
  /**
   * Run it with `remove` when the resource is deleted. Default: false, so that a dead host blocks
   * no deletion
   */
  readonly removes?: boolean;
  /**
   * A word for the script's `apply` when the resource is in the state already: an earlier run has
   * succeeded. Default: none
   */
  readonly again?: string;
  /**
   * The script or its output holds secrets: the output is not shown, and the state stores both
   * encrypted. Default: false
   */
  readonly secret?: boolean;
  /** The host is gone for good: whatever changes, nothing runs there any more. Default: false */
  readonly lost?: boolean;
  /**
   * The host is off for repair: nothing runs there until it is back, new resources included; then
   * their update does. Default: false
   */
  readonly away?: boolean;
}

/** Inputs that the resource of a host that cannot be reached keeps as they are. */
const INPUTS = ["connection", "create", "update", "delete", "stdin", "logging"];

/**
 * One script on one host, as one Command: any change of the script is an update that runs it again.
 *
 * Never with `triggers`: they replace the resource, and deleting the old one would undo the new
 * one. Never with `environment`: sshd refuses it.
 *
 * @param name begins with the host's name: Pulumi never touches the former host when a connection
 *   changes
 */
export function remoteScript(
  name: string,
  args: RemoteScriptArgs,
  options: pulumi.CustomResourceOptions,
): remote.Command {
  const { target, node, script, applies = true, removes = false, again } = args;
  const { secret = false, lost = false, away = false } = args;
  const unknown = unknownInputs(target);
  const shell = target.user === "root" ? "sh -s --" : "sudo -n sh -s --";
  const command = (verb: string, ...words: readonly string[]) =>
    `${shell} ${quoteWords([verb, stackName(), node, ...words])}`;
  return new remote.Command(
    name,
    {
      connection: connectionTo(target),
      ...(applies
        ? {
            // in the state a resource keeps its own; a new one must not contact the host
            ...(lost || away ? {} : { create: command("apply") }),
            update: command("apply", ...(again === undefined ? [] : [again])),
          }
        : {}),
      ...(removes ? { delete: command("remove") } : {}),
      stdin: secret ? pulumi.secret(script) : script,
      addPreviousOutputInEnv: false,
      ...(secret ? { logging: "none" } : {}),
    },
    pulumi.mergeOptions(options, {
      ...(secret ? { additionalSecretOutputs: ["stdout", "stderr"] } : {}),
      ...(unknown.length > 0 ? { ignoreChanges: unknown } : {}),
      ...(lost || away ? { ignoreChanges: INPUTS } : {}),
      ...(lost ? { retainOnDelete: true } : {}),
    }),
  );
}
