import { setTimeout as sleep } from "node:timers/promises";
import { Lab } from "../lab";
import { accessOf } from "./access";
import { Api } from "./api";
import { LabProvider } from "./provider";

// The process of the lab infrastructure provider. Argument: LAB. It polls, because a lab has few
// objects; it ends with the management cluster.

const INTERVAL_MS = 1000;

const log = (line: string) => console.log(`${new Date().toISOString()} ${line}`);

async function main(name: string): Promise<never> {
  const lab = await Lab.open(name, log);
  const provider = new LabProvider(lab, new Api(accessOf(lab)), log);
  for (;;) {
    await provider.reconcile().catch((error: unknown) => log(String(error)));
    await sleep(INTERVAL_MS);
  }
}

main(process.argv[2] ?? "").catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
