import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Lab } from "./lab";
import { DEFAULT_LAB } from "./state";

const USAGE = `usage: npm run lab -- COMMAND [OPTION...]
  up                    start the lab: all machines that do not run
  status                show the machines
  ssh NAME [CMD...]     run a shell or a command on a machine (as ops; sudo works)
  power-off NAME        shut a machine down; --hard cuts its power
  power-on NAME         start a machine from its disk
  cut NAME              unplug its network cable
  mend NAME             plug it in again
  wipe NAME             start it from a new disk
  console NAME          show what it has written on its console
  add NAME              add a machine that boots from --user-data alone, by cloud-init; its sshd is off
  allow-ssh NAME        switch its sshd on
  discard NAME          cut its power and remove it
  down                  remove the lab
options:
  --name LAB            which lab (default ${DEFAULT_LAB})
  --machines N          up: number of control-plane nodes m1, m2, ... (default 3)
  --workers N           up: number of workers w1, w2, ... (default 0)
  --hard                power-off: cut the power
  --user-data FILE      add: its user data
  --address ADDRESS     add: its address (default: the next one from .51 to .66)
  exit code: 0 done, 1 failed, 2 wrong command; of ssh that of the command`;

async function main(argv: string[]): Promise<number> {
  // everything after `ssh NAME` is the user's command, including its options
  const sshAt = argv.indexOf("ssh");
  const own = sshAt < 0 ? argv : argv.slice(0, sshAt + 2);
  const remote = sshAt < 0 ? [] : argv.slice(sshAt + 2);
  const { values, positionals } = parseArgs({
    args: own,
    allowPositionals: true,
    options: {
      name: { type: "string", default: DEFAULT_LAB },
      machines: { type: "string", default: "3" },
      workers: { type: "string", default: "0" },
      hard: { type: "boolean", default: false },
      "user-data": { type: "string" },
      address: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const [command, machine] = positionals;
  const lab = () => Lab.open(values.name);
  const target = (): string => {
    if (machine === undefined) throw new UsageError(`${command}: which machine?`);
    return machine;
  };
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  switch (command) {
    case "up": {
      const machines = Number(values.machines);
      printStatus(await Lab.up({ name: values.name, machines, workers: Number(values.workers) }));
      return 0;
    }
    case "status":
      printStatus(await lab());
      return 0;
    case "ssh":
      return ssh(await lab(), target(), remote);
    case "power-off":
      await (await lab()).powerOff(target(), { hard: values.hard });
      return 0;
    case "power-on":
      await (await lab()).powerOn(target());
      return 0;
    case "cut":
      await (await lab()).cut(target());
      return 0;
    case "mend":
      await (await lab()).mend(target());
      return 0;
    case "wipe":
      await (await lab()).wipe(target());
      return 0;
    case "console":
      process.stdout.write((await lab()).console(target()));
      return 0;
    case "add": {
      const file = values["user-data"];
      if (file === undefined) throw new UsageError("add: which --user-data?");
      const userData = readFileSync(file, "utf8");
      const address = values.address === undefined ? {} : { address: values.address };
      const added = await (await lab()).add({ name: target(), userData, ...address });
      console.log(`${added.name} ${added.address}`);
      return 0;
    }
    case "allow-ssh":
      await (await lab()).allowSsh(target());
      return 0;
    case "discard":
      await (await lab()).discard(target());
      return 0;
    case "down":
      await Lab.remove(values.name);
      return 0;
    default:
      throw new UsageError(command === undefined ? "no command" : `unknown command "${command}"`);
  }
}

class UsageError extends Error {}

function printStatus(lab: Lab): void {
  console.log(`lab ${lab.name}, gateway ${lab.gateway}, key ${lab.ssh.privateKeyFile}`);
  for (const { name, address, running, cut } of lab.machines) {
    console.log(`${name.padEnd(4)} ${address.padEnd(13)} ${cut ? "cut" : running ? "on" : "off"}`);
  }
}

function ssh(lab: Lab, name: string, command: string[]): Promise<number> {
  const machine = lab.machines.find((candidate) => candidate.name === name);
  if (machine === undefined) throw new UsageError(`lab ${lab.name} has no machine "${name}"`);
  const options = [
    ...["-i", lab.ssh.privateKeyFile, "-o", "IdentitiesOnly=yes"],
    ...["-o", `UserKnownHostsFile=${lab.knownHostsFile}`, "-o", "StrictHostKeyChecking=yes"],
    ...["-o", "LogLevel=ERROR", ...(process.stdin.isTTY && command.length === 0 ? ["-t"] : [])],
  ];
  const child = spawn("ssh", [...options, `${lab.ssh.user}@${machine.address}`, ...command], {
    stdio: "inherit",
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    if (error instanceof UsageError) console.error(USAGE);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  },
);
