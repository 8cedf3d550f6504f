import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Log, removeTree, withLock } from "../../tools/src/index";
import { killProcesses, removeGroups } from "./cgroups";
import { prepareHost } from "./host-settings";
import { bridgeExists, findBridge, removeNetwork } from "./network";
import { labDir, LABS_DIR } from "./paths";
import { freeIndex, readState, writeState, type LabState, type MachineRecord } from "./state";

/** Lock of the list of all labs. */
export const INDEX_LOCK = join(LABS_DIR, ".index.lock");

/**
 * Records the lab before any part of it is made. Existing machines stay, even if fewer are desired.
 */
export async function recordLab(
  name: string,
  desired: MachineRecord[],
  log: Log,
): Promise<LabState> {
  return withLock(INDEX_LOCK, log, "labs", async () => {
    const former = readState(name);
    const kept = former?.machines ?? [];
    const added = desired.filter((record) => !kept.some((machine) => machine.name === record.name));
    const index = former?.index ?? findBridge(name) ?? freeIndex(name, bridgeExists);
    const state = { name, index, machines: [...kept, ...added] };
    await prepareHost(log);
    writeState(state);
    return state;
  });
}

/** Removes all of a lab; its records go last. */
export async function removeLab(name: string): Promise<void> {
  const index = readState(name)?.index ?? findBridge(name);
  await killProcesses(name);
  if (index !== undefined) await removeNetwork(index);
  await removeGroups(name);
  // A removal that is cut off can be repeated.
  await removeTree(join(labDir(name), "machines"));
  if (existsSync(labDir(name))) await removeTree(labDir(name));
}

/** Lock of one lab. */
export function lockFile(name: string): string {
  return join(LABS_DIR, `.${name}.lock`);
}
