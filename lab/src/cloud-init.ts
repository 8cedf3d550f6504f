import { existsSync } from "node:fs";
import { waitUntil } from "../../tools/src/index";
import type { Machine } from "./machine";

/** How cloud-init has ended on a machine. */
export interface CloudInitResult {
  readonly ok: boolean;
  /** Output of `cloud-init status --long`. */
  readonly status: string;
}

export interface CloudInitWait {
  /** Deadline. */
  readonly seconds: number;
  /** Ends the wait early. */
  readonly signal?: AbortSignal;
}

/** cloud-init writes it at its end, with errors or without. */
const RESULT = "run/cloud-init/result.json";

/** Waits until a machine's cloud-init has ended. @throws at the deadline, with the console's end */
export async function waitForCloudInit(
  machine: Machine,
  options: CloudInitWait,
): Promise<CloudInitResult> {
  const lastSeen = () => machine.console().split("\n").slice(-15).join("\n");
  await waitUntil(`cloud-init on ${machine.name}`, { ...options, lastSeen }, () => {
    const init = machine.initPid;
    return init !== undefined && existsSync(`/proc/${init}/root/${RESULT}`);
  });
  const { code, stdout } = await machine.exec("cloud-init status --long", { check: false });
  return { ok: code === 0, status: stdout.trim() };
}
