import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { labDir, LABS_DIR } from "./paths";

/**
 * Control-plane nodes are m1, m2, ...; workers are w1, w2, ... . Only names and addresses differ.
 */
export type Role = "controlPlane" | "worker";

export interface MachineRecord {
  readonly name: string;
  readonly role: Role;
  /** 1 for m1 and w1. Role and number give address, MAC address and cable. */
  readonly number: number;
  /** Does it boot from user data? Then nobody can log in. @default false */
  readonly userData?: boolean;
}

/** Record of a lab: written before the first part of it is made, removed after the last is gone. */
export interface LabState {
  readonly name: string;
  /** N in the lab's subnet 10.77.N.0/24 and its bridge labN. */
  readonly index: number;
  readonly machines: readonly MachineRecord[];
  /** Number of the last machine that was added without an address. */
  readonly lastAdded?: number;
}

/** Default name of a lab. This lab always has index 0. */
export const DEFAULT_LAB = "dev";

/** Addresses of the machines m1 and w1 end in one more than this. */
export const ADDRESS_BASE: Readonly<Record<Role, number>> = { controlPlane: 10, worker: 20 };

/** Control-plane nodes have addresses .11 to .20, workers .21 to .50. */
const MOST: Readonly<Record<Role, number>> = { controlPlane: 10, worker: 30 };

const PLURAL: Readonly<Record<Role, string>> = {
  controlPlane: "control-plane nodes",
  worker: "workers",
};

/** @throws when a name does not fit into paths and names of network namespaces */
export function checkLabName(name: string): void {
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(name)) {
    throw new Error(
      `lab name "${name}": expected 1 to 31 of a-z, 0-9 and "-", with a letter first`,
    );
  }
}

/** The machines m1..mN and w1..wN. @throws when there are too many for the subnet */
export function machineRecords(controlPlaneNodes: number, workers: number): MachineRecord[] {
  const records = (role: Role, count: number): MachineRecord[] => {
    if (!Number.isInteger(count) || count < 0 || count > MOST[role]) {
      throw new Error(`number of ${PLURAL[role]}: got ${count}, expected 0 to ${MOST[role]}`);
    }
    return Array.from({ length: count }, (_, position) => ({
      name: `${role === "controlPlane" ? "m" : "w"}${position + 1}`,
      role,
      number: position + 1,
    }));
  };
  return [...records("controlPlane", controlPlaneNodes), ...records("worker", workers)];
}

/** The last number of a machine's address. */
export function hostPart(machine: MachineRecord): number {
  return ADDRESS_BASE[machine.role] + machine.number;
}

export function readState(lab: string): LabState | undefined {
  const file = stateFile(lab);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as LabState) : undefined;
}

/** Replaces the file atomically. */
export function writeState(state: LabState): void {
  const file = stateFile(state.name);
  mkdirSync(labDir(state.name), { recursive: true });
  writeFileSync(`${file}.new`, `${JSON.stringify(state, undefined, 2)}\n`);
  renameSync(`${file}.new`, file);
}

/** All labs of this computer. */
export function allStates(): LabState[] {
  if (!existsSync(LABS_DIR)) return [];
  return readdirSync(LABS_DIR)
    .filter((name) => !name.startsWith("."))
    .flatMap((name) => readState(name) ?? []);
}

/** Index for a new lab: 0 for the default lab, else the first that no lab and no bridge uses. */
export function freeIndex(lab: string, isTaken: (index: number) => boolean): number {
  if (lab === DEFAULT_LAB) return 0;
  const used = new Set(allStates().map((state) => state.index));
  for (let index = 1; index < 255; index += 1) {
    if (!used.has(index) && !isTaken(index)) return index;
  }
  throw new Error("all subnets 10.77.1.0/24 to 10.77.254.0/24 are in use: remove labs");
}

function stateFile(lab: string): string {
  return join(labDir(lab), "state.json");
}
