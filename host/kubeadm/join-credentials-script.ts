import { HOST_STATE_DIR, PRODUCT } from "../../names";
import { hostScript } from "../shell";
import { library, variables } from "./shell-library";

/** What {@link ticketScript} is made from. */
export interface JoinCredentialsOptions {
  /** Name of the control-plane node that is to join. */
  readonly for: string;
  /** The joining node's generation: the next one makes a new join credentials. */
  readonly generation: number;
}

/**
 * The script that prints one line on stdout: `join credentials <base64 of JSON>` (SECRET: a bootstrap token for 2 hours, the CA, and the key of the
 * certificates it has uploaded), or `absent` when this host has no cluster. A control-plane node that does not serve is an error, never `absent`:
 * its cluster exists.
 *
 * It runs while the host's lock is held by others: it changes nothing on the host. Certificates uploaded for one joining node replace
 * those for another, so nodes join one after the other, each with its join credentials made after the former has joined.
 */
export function joinCredentialsScript(options: JoinCredentialsOptions): string {
  const apply = [
    variables({
      FOR: options.for,
      GENERATION: options.generation,
      PRODUCT,
      STATE: HOST_STATE_DIR,
    }),
    library("join-credentials"),
  ].join("\n");
  return hostScript(`ticket-for-${options.for}`, { apply }, { ...options, lock: false });
}
