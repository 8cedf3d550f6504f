import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../tools/src/index";
import { hostPart, type LabState, type MachineRecord } from "./state";

/** Folder in which ip(8) keeps named network namespaces. */
const NETNS_DIR = "/run/netns";

/** The bridge of a lab. */
export function bridgeOf(index: number): string {
  return `lab${index}`;
}

/** Start of all addresses of a lab. */
export function subnetOf(index: number): string {
  return `10.77.${index}.`;
}

/** The host's address on the bridge, which is the machines' default route. */
export function gatewayOf(index: number): string {
  return `${subnetOf(index)}1`;
}

/** A machine's address: control-plane nodes from .11, workers from .21, added ones from .51. */
export function addressOf(index: number, machine: MachineRecord): string {
  return `${subnetOf(index)}${hostPart(machine)}`;
}

/**
 * Name of the machine's network namespace and of the host's end of its cable: at most 15
 * characters.
 */
export function portOf(index: number, { role, number }: MachineRecord): string {
  return `${bridgeOf(index)}-${role === "controlPlane" ? "m" : "w"}${number}`;
}

/** File of a machine's network namespace. */
export function netnsFile(index: number, machine: MachineRecord): string {
  return join(NETNS_DIR, portOf(index, machine));
}

/** Whether a bridge with that number exists. */
export function bridgeExists(index: number): boolean {
  return existsSync(`/sys/class/net/${bridgeOf(index)}`);
}

/** Finds a lab's bridge by its alias, for labs whose records are lost. */
export function findBridge(lab: string): number | undefined {
  for (const name of readdirSync("/sys/class/net")) {
    const number = /^lab(\d+)$/.exec(name)?.[1];
    if (number !== undefined && mark(name) === markOf(lab)) return Number(number);
  }
  return undefined;
}

/** Makes or repairs the bridge. @throws when a bridge of that name belongs to something else */
export async function ensureBridge(state: LabState): Promise<void> {
  const bridge = bridgeOf(state.index);
  if (bridgeExists(state.index) && mark(bridge) !== markOf(state.name)) {
    throw new Error(
      `network device ${bridge} exists and does not belong to lab ${state.name}: remove it`,
    );
  }
  const ports = state.machines
    .map((machine) => portOf(state.index, machine))
    .map((port) => `[ ! -e /sys/class/net/${port} ] || ip link set ${port} master ${bridge}`);
  await shell(
    `[ -e /sys/class/net/${bridge} ] || ip link add ${bridge} address ${macOf(state.index, 1)} type bridge
ip link set ${bridge} alias ${markOf(state.name)}
ip address replace ${gatewayOf(state.index)}/24 dev ${bridge}
ip link set ${bridge} up
${ports.join("\n")}`,
    `making bridge ${bridge}`,
  );
}

/**
 * Makes a machine's network namespace and cable. The MAC address is always the same, as on a real
 * card.
 */
export async function plugIn(index: number, machine: MachineRecord): Promise<void> {
  const port = portOf(index, machine);
  await shell(
    `ip netns add ${port}
ip link add ${port} type veth peer name eth0 netns ${port} address ${macOf(index, hostPart(machine))}
ip link set ${port} master ${bridgeOf(index)} up
ip -n ${port} link set lo up
ip -n ${port} address add ${addressOf(index, machine)}/24 dev eth0
ip -n ${port} link set eth0 up
ip -n ${port} route add default via ${gatewayOf(index)}`,
    `network of ${machine.name}`,
  );
}

/** Removes a machine's network namespace and cable, if they exist. */
export async function unplug(index: number, machine: MachineRecord): Promise<void> {
  await removePort(portOf(index, machine));
}

/** Removes a lab's bridge and every network namespace that belongs to it. */
export async function removeNetwork(index: number): Promise<void> {
  const bridge = bridgeOf(index);
  const names = [...entries(NETNS_DIR), ...entries("/sys/class/net")];
  for (const port of new Set(names.filter((name) => name.startsWith(`${bridge}-`)))) {
    await removePort(port);
  }
  await shell(
    `[ ! -e /sys/class/net/${bridge} ] || ip link delete ${bridge}`,
    `removing ${bridge}`,
  );
}

/** Plugs the machine's cable in, or unplugs it. */
export async function setCable(index: number, machine: MachineRecord, up: boolean): Promise<void> {
  await run(["ip", "link", "set", portOf(index, machine), up ? "up" : "down"]);
}

/** Whether the cable is plugged in. A stopped machine has none. */
export function isCablePluggedIn(index: number, machine: MachineRecord): boolean {
  const file = `/sys/class/net/${portOf(index, machine)}/flags`;
  return existsSync(file) && (Number(readFileSync(file, "utf8")) & 1) === 1;
}

async function removePort(port: string): Promise<void> {
  await shell(
    `[ ! -e /sys/class/net/${port} ] || ip link delete ${port}
[ ! -e ${NETNS_DIR}/${port} ] || ip netns delete ${port}`,
    `removing network ${port}`,
  );
}

/** A locally administered address. */
function macOf(index: number, host: number): string {
  const byte = (value: number) => value.toString(16).padStart(2, "0");
  return `02:00:0a:4d:${byte(index)}:${byte(host)}`;
}

function markOf(lab: string): string {
  return `control-plane-lab/${lab}`;
}

function mark(device: string): string {
  const file = `/sys/class/net/${device}/ifalias`;
  return existsSync(file) ? readFileSync(file, "utf8").trim() : "";
}

function entries(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

async function shell(script: string, title: string): Promise<void> {
  await run(["sh", "-eu", "-s"], { input: script, title });
}
