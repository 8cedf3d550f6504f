import type { Generator } from "./generator";

/** The generator's methods that the parent process calls. */
export type Method =
  "waitFirstAnswer" | "setCredentials" | "phase" | "markKill" | "phases" | "report" | "stop";

export type Arguments<M extends Method> = Parameters<Generator[M]>;
export type Result<M extends Method> = Awaited<ReturnType<Generator[M]>>;

/** From the parent to the load's process: first the options, then calls. */
export interface Call {
  readonly id: number;
  readonly method: Method | "start";
  readonly args: readonly unknown[];
}

/** The answer to a call. */
export interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}
