import assert from "node:assert/strict";
import { parse, stringify } from "yaml";
import { renderReport } from "../../e2e/demo/report";
import { runDemo } from "../../e2e/demo/run";
import { createEngine } from "../../e2e/scenario/lab-stack";
import { userDataConfig, userDataIn } from "../../e2e/user-data/boot";
import { Lab, plannedMachines } from "../../lab/src/index";

const LAB = "user-data-test";

/** mocha's report stays readable. */
const quiet = () => undefined;

/** A machine whose first boot must fail. */
interface Broken {
  readonly what: string;
  /** Runs on the machine before its user data takes effect. */
  readonly bootcmd?: string;
  /** Last number of its address. @default that of the configuration */
  readonly host?: number;
  /** What the reason must name. */
  readonly cause: RegExp;
}

const BROKEN: readonly Broken[] = [
  {
    what: "a taken LB port",
    bootcmd:
      "systemd-run --no-block --unit=squatter socat TCP-LISTEN:6444,fork,reuseaddr /dev/null",
    cause: /6444.*socat/s,
  },
  { what: "an address that the machine has not", host: 19, cause: /10\.77\.\d+\.11/ },
  {
    what: "a package that cannot be installed",
    bootcmd: "dpkg --remove --force-all haproxy",
    cause: /haproxy/,
  },
  {
    what: "a full disk",
    bootcmd:
      "mkdir -p /opt/control-plane-lb; mount -t tmpfs -o size=16k,mode=755 full /opt/control-plane-lb",
    cause: /No space left|disk|free/i,
  },
];

describe("a cluster from user data alone", function () {
  this.timeout(20 * 60_000);

  after(() => Lab.remove(LAB, quiet));

  for (const topology of ["external", "daemonset"] as const) {
    it(`is made by machines that nobody can log in to, without a failed request, ${topology}`, async () => {
      const report = await runDemo({
        ...{ name: LAB, machines: 3, topology, bootstrap: "cloud-init" },
        scenarios: ["kubeconfig given to the stack"],
        signal: new AbortController().signal,
        log: quiet,
      });
      assert.ok(report.passed, renderReport(report));
    });
  }
});

describe("a first boot that fails", function () {
  this.timeout(10 * 60_000);
  let lab: Lab;
  let userData: string;

  before(async () => {
    await Lab.remove(LAB, quiet);
    lab = await Lab.up({ name: LAB, machines: 0, log: quiet });
    const planned = { machines: plannedMachines(lab.index, 1), ssh: lab.ssh };
    const overrides = userDataConfig("external");
    const engine = await createEngine(lab, { log: quiet, overrides }, planned);
    userData = userDataIn((await engine.up()).outputs)["m1"] ?? "";
  });

  after(() => Lab.remove(LAB, quiet));

  for (const { what, bootcmd, host = 11, cause } of BROKEN) {
    it(`by ${what} ends before kubeadm, and tells why`, async () => {
      await lab.discard("m1");
      const address = `10.77.${lab.index}.${host}`;
      await lab.add({ name: "m1", address, userData: withBootcmd(userData, bootcmd) });
      const { ok, status } = await lab.waitForCloudInit("m1", { seconds: 300 });
      assert.equal(ok, false);
      // the documented command
      assert.match(status, cause);
      assert.match(lab.console("m1"), cause);
      const traces =
        "ls /etc/kubernetes/manifests /var/lib/kubelet/config.yaml /var/lib/etcd/member";
      assert.equal((await lab.exec("m1", traces, { check: false })).stdout, "");
      assert.equal((await lab.exec("m1", "pidof kube-apiserver", { check: false })).code, 1);
    });
  }
});

/** The same user data with a command that runs before all else. */
function withBootcmd(userData: string, command: string | undefined): string {
  if (command === undefined) return userData;
  const document = parse(userData) as Record<string, unknown>;
  return `#cloud-config\n${stringify({ ...document, bootcmd: [command] })}`;
}
