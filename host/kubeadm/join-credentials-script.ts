import { HOST_STATE_DIR, PRODUCT } from "../../names";
import { hostScript } from "../shell";
import { library, variables } from "./shell-library";

/** Options of {@link joinCredentialsScript}. */
export interface JoinCredentialsOptions {
  /** Name of the node that is to join. */
  readonly for: string;
  /** Generation of the joining node: a new one gets new join credentials. */
  readonly generation: number;
}

/**
 * The script that issues join credentials on a control-plane node: one line on stdout (SECRET),
 * `join-credentials BASE64-OF-JSON`, or `absent` when the host has no cluster. They are valid for 2
 * hours. A control-plane node that does not serve is an error, never `absent`: its cluster exists.
 *
 * It takes no lock, since it changes nothing on the host. Each upload of certificates replaces the
 * one before, so nodes join one after the other, each with credentials issued after the last join.
 */
export function joinCredentialsScript(options: JoinCredentialsOptions): string {
  const apply = [
    variables({
      FOR: options.for,
      GENERATION: options.generation,
      PRODUCT,
      STATE: HOST_STATE_DIR,
    }),
    library("paths", "join-credentials"),
  ].join("\n");
  return hostScript(`join-credentials-for-${options.for}`, { apply }, { ...options, lock: false });
}
