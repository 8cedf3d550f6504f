import assert from "node:assert/strict";
import type { HostPart } from "../../host/part";
import { preflightScript } from "../../host/preflight/preflight-script";
import { haproxyPart } from "../../host/service/haproxy-part";
import { tokenPart } from "../../host/service/token-part";
import { updaterPart } from "../../host/service/updater-part";
import { tokenFingerprint } from "../../updater/sources/token";
import { haproxySettings, TOKEN, tokenSettings, updaterSettings } from "../unit/host/example-parts";
import type { Holder } from "./support/machine-root";
import { OWN_ADDRESS, PartRoot } from "./support/part-root";
import { standInUpdater } from "./support/stand-in-updater";

const ownAddress = { from: "subnet", subnet: "10.99.0.0/24" } as const;

/** All parts of a load-balancer host, in order. */
function partsOf(ports: { lb: number; health: number }): HostPart[] {
  const { haproxy: defaults } = updaterSettings();
  const haproxy = { ...defaults, port: ports.lb, healthPort: ports.health };
  return [
    updaterPart(updaterSettings({ ownAddress, haproxy, script: standInUpdater(haproxy) })),
    haproxyPart(haproxySettings({ takeOver: true, ports })),
    tokenPart(tokenSettings({ ports })),
  ];
}

const A: Holder = ["acme/control-plane-lb/a", "lb1"];
const B: Holder = ["acme/control-plane-lb/b", "lb1"];
const ofA = partsOf({ lb: 6444, health: 6445 });
const ofB = partsOf({ lb: 7444, health: 7445 });

describe("two stacks with HAProxy on the same host", function () {
  this.timeout(240_000);
  let machine: PartRoot;
  beforeEach(async () => {
    machine = await PartRoot.create();
    machine.write("serves", "");
    machine.write("status", `{"token":"${tokenFingerprint(TOKEN)}"}`);
  });
  afterEach(() => machine.dispose());

  const up = async (holder: Holder, parts: readonly HostPart[]) => {
    for (const part of parts) {
      const { code, stdout, stderr } = await machine.applyAs(holder, part);
      assert.equal(code, 0, `${part.owner}: ${stdout}${stderr}`);
    }
  };
  const destroy = async (holder: Holder, parts: readonly HostPart[]) => {
    for (const part of [...parts].reverse()) {
      const { code, stdout, stderr } = await machine.removeAs(holder, part);
      assert.equal(code, 0, `${part.owner}: ${stdout}${stderr}`);
    }
  };
  /** Files and processes of the instance with this port. */
  const instance = async (port: number) => [
    ...(await machine.snapshot()).filter((line) => new RegExp(`\\b${port}\\b`).test(line)),
    ...(await machine.processes()).split("\n").filter((line) => line.includes(`-${port}.`)),
  ];
  const isActive = async (unit: string) =>
    (await machine.must(`systemctl is-active ${unit} || :`)).trim() === "active";
  const link = async () => (await machine.must("readlink /etc/haproxy/haproxy.cfg || :")).trim();

  for (const [what, first, second] of [
    ["the first", { holder: A, parts: ofA, port: 6444 }, { holder: B, parts: ofB, port: 7444 }],
    ["the second", { holder: B, parts: ofB, port: 7444 }, { holder: A, parts: ofA, port: 6444 }],
  ] as const) {
    it(`leave each other alone when ${what} is set up, changed and destroyed`, async () => {
      await machine.must(
        "echo foreign >/etc/haproxy/haproxy.cfg; systemctl enable --now haproxy.service",
      );
      const bare = await machine.snapshot();
      await up(second.holder, second.parts);
      const alone = await instance(second.port);
      assert.ok(alone.length > 10, alone.join("\n"));
      await up(first.holder, first.parts);
      assert.deepEqual(await instance(second.port), alone, "set up");
      await up(first.holder, [
        haproxyPart(haproxySettings({ takeOver: false, ports: portsOf(first.port) })),
      ]);
      assert.deepEqual(await instance(second.port), alone, "changed");
      await destroy(first.holder, first.parts);
      assert.deepEqual(await instance(second.port), alone, "destroyed");
      assert.deepEqual(await instance(first.port), []);
      assert.equal(await isActive("haproxy.service"), false);
      assert.equal(await link(), `/var/lib/control-plane-lb-updater/${second.port}/haproxy.cfg`);
      await destroy(second.holder, second.parts);
      assert.deepEqual(await machine.snapshot(), bare);
      assert.equal(await isActive("haproxy.service"), true);
    });
  }

  it("have a haproxy.cfg that leads to the one that is left", async () => {
    await machine.must("echo foreign >/etc/haproxy/haproxy.cfg");
    await up(A, ofA);
    await up(B, ofB);
    assert.equal(await link(), "/var/lib/control-plane-lb-updater/6444/haproxy.cfg");
    await destroy(A, ofA);
    assert.equal(await link(), "/var/lib/control-plane-lb-updater/7444/haproxy.cfg");
    await destroy(B, ofB);
    assert.equal(await machine.must("cat /etc/haproxy/haproxy.cfg"), "foreign\n");
  });

  for (const [what, ports, message] of [
    [
      "LB port",
      { lb: 6444, health: 7445 },
      /^lb1: the LB port 6444 belongs to stack acme\S+a \(as lb1\) on this host: /m,
    ],
    [
      "health port",
      { lb: 7444, health: 6445 },
      /^lb1: the health port 6445 belongs to stack acme\S+a \(as lb1\) on this host: /m,
    ],
    [
      "health port as its LB port",
      { lb: 6445, health: 7445 },
      /^lb1: the LB port 6445 belongs to stack/m,
    ],
  ] as const) {
    it(`are refused the same ${what} by the preflight, which names the stack`, async () => {
      await up(A, ofA);
      const before = [await machine.snapshot(), await machine.processes()];
      const script = preflightScript({
        node: "lb1",
        address: OWN_ADDRESS,
        ports: { ...ports, api: 6443 },
        controlPlaneNode: false,
        service: { takeOver: false },
        ownAddress,
        bootstrap: false,
      });
      const { code, stderr } = await machine.run(script, "apply", B);
      assert.equal(code, 1);
      assert.match(stderr, message);
      const own = await machine.run(script, "apply", A);
      assert.doesNotMatch(own.stderr, /belongs to/);
      assert.deepEqual([await machine.snapshot(), await machine.processes()], before);
    });
  }
});

function portsOf(lb: number) {
  return { lb, health: lb + 1 };
}
