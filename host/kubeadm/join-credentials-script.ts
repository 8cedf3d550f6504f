import { HOST_STATE_DIR, PRODUCT } from "../../names";
import { hostScript } from "../shell";
import { library, variables } from "./shell-library";

/** Options of {@link joinCredentialsScript}. */
export interface JoinCredentialsOptions {
  /** Name of the node that is to join. */
  readonly for: string;
  /** Generation of the joining node: a new one gets new join credentials. */
  readonly generation: number;
  /**
   * What else identifies the joining machine, on one line: another one gets new join credentials.
   * Default: none
   */
  readonly machine?: string;
}

/**
 * The script that issues join credentials on a control-plane node: one line on stdout (SECRET),
 * `join-credentials BASE64-OF-JSON`, or `absent SECONDS` when the host has no cluster, with the time of
 * the answer (since 1970). They are valid for 2 hours. A control-plane node that does not serve is an error, never `absent`: its cluster exists.
 *
 * It takes no lock, since it changes nothing on the host. Each upload of certificates replaces the
 * one before, so nodes join one after the other, each with credentials issued after the last join.
 */
export function joinCredentialsScript(options: JoinCredentialsOptions): string {
  const { machine = "" } = options;
  const apply = [
    `# for ${machine.replaceAll(/\s+/g, " ")}`,
    variables({
      FOR: options.for,
      GENERATION: options.generation,
      PRODUCT,
      STATE: HOST_STATE_DIR,
    }),
    library("paths", "join-credentials"),
  ].join("\n");
  return hostScript(
    `join-credentials-for-${options.for}`,
    { apply },
    { generation: options.generation, lock: false },
  );
}
