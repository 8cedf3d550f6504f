import { addressOf, subnetOf } from "./network";
import {
  ADDRESS_BASE,
  hostPart,
  machineRecords,
  type LabState,
  type MachineRecord,
  type Role,
} from "./state";

/** A machine to add to a lab. */
export interface AddedMachine {
  readonly name: string;
  /** @default "controlPlane" */
  readonly role?: Role;
  /** In the lab's subnet. @default the next address of the pool */
  readonly address?: string;
}

/** Last numbers of the addresses that machines get in turn. */
const POOL = { first: 51, last: 66 } as const;

/** The first and the last address of the pool. */
export function poolOf(index: number): { readonly first: string; readonly last: string } {
  const { first, last } = POOL;
  return { first: `${subnetOf(index)}${first}`, last: `${subnetOf(index)}${last}` };
}

/** Names, roles and addresses that machines of a lab would have; `up` makes them all at once. */
export function plannedMachines(
  index: number,
  controlPlaneNodes: number,
  workers = 0,
): readonly Required<AddedMachine>[] {
  return machineRecords(controlPlaneNodes, workers).map((record) => ({
    name: record.name,
    role: record.role,
    address: addressOf(index, record),
  }));
}

/**
 * A lab's state with one more machine, which boots from user data. Addresses of the pool are used
 * again as late as possible, as a DHCP server does.
 *
 * @throws when the name or the address is taken, or no address is free
 */
export function withMachine(
  state: LabState,
  { name, role = "controlPlane", address }: AddedMachine,
): { readonly record: MachineRecord; readonly state: LabState } {
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) {
    throw new Error(`machine name "${name}": expected a host name of a-z, 0-9 and "-"`);
  }
  if (state.machines.some((machine) => machine.name === name)) {
    throw new Error(`lab ${state.name} already has a machine "${name}"`);
  }
  const taken = new Set(state.machines.map(hostPart));
  const host =
    address === undefined ? nextInPool(state, taken) : hostIn(state, role, address, taken);
  const record = { name, role, number: host - ADDRESS_BASE[role], userData: true };
  const lastAdded = address === undefined ? host : state.lastAdded;
  return { record, state: { ...state, machines: [...state.machines, record], lastAdded } };
}

function nextInPool({ name, lastAdded }: LabState, taken: ReadonlySet<number>): number {
  const size = POOL.last - POOL.first + 1;
  const start = lastAdded === undefined ? 0 : lastAdded - POOL.first + 1;
  for (let step = 0; step < size; step += 1) {
    const host = POOL.first + ((start + step) % size);
    if (!taken.has(host)) return host;
  }
  throw new Error(`lab ${name}: all addresses from .${POOL.first} to .${POOL.last} are taken`);
}

function hostIn(
  { index, machines }: LabState,
  role: Role,
  address: string,
  taken: ReadonlySet<number>,
): number {
  const subnet = subnetOf(index);
  const host = address.startsWith(subnet) ? Number(address.slice(subnet.length)) : NaN;
  const lowest = ADDRESS_BASE[role] + 1;
  if (!Number.isInteger(host) || host < lowest || host > 254) {
    throw new Error(`address ${address}: expected ${subnet}${lowest} to ${subnet}254`);
  }
  if (taken.has(host)) {
    const holder = machines.find((machine) => addressOf(index, machine) === address);
    throw new Error(`address ${address} belongs to ${holder?.name}`);
  }
  return host;
}
