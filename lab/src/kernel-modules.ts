import { existsSync } from "node:fs";
import { type Log, run } from "../../tools/src/index";
import { isCommand } from "./packages";

/** Kernel modules that machines use and cannot load themselves: disks, pod network, forward. */
const MODULES = [
  ...["overlay", "br_netfilter", "nf_conntrack"],
  ...["nf_tables", "nft_socket", "nft_fib_inet"],
];

/** Loads them where the kernel has modules at all; built-in ones are fine. Names missing ones. */
export async function loadModules(log: Log): Promise<void> {
  if (!existsSync("/proc/modules")) return;
  if (!isCommand("modprobe")) {
    log("kernel modules for the machines: no modprobe (apt-get install kmod)");
    return;
  }
  const { code, stderr } = await run(["modprobe", "--all", ...MODULES], { check: false });
  if (code !== 0) log(`kernel modules for the machines: ${stderr.trim()}`);
}
