import type { Generator } from "./generator";

/** The generator's methods that the parent process calls. */
export type Method =
  | "waitFirstAnswer"
  | "setCredentials"
  | "phase"
  | "markKill"
  | "markElections"
  | "phases"
  | "report"
  | "stop";

export type Arguments<M extends Method> = Parameters<Generator[M]>;
export type Result<M extends Method> = Awaited<ReturnType<Generator[M]>>;

/** The id of a reply that answers no call: the load's process ends. */
export const CRASHED = 0;

/** A call from the parent to the load's process; the first one is `start` with the options. */
export interface Call {
  readonly id: number;
  readonly method: Method | "start";
  readonly args: readonly unknown[];
}

/** The reply to a call, or with `CRASHED` the reason why the process ends. */
export interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}
