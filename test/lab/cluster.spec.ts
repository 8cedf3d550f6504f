import assert from "node:assert/strict";
import { scenarios } from "../../e2e/scenario/scenarios";
import { judge } from "../../e2e/demo/report";
import { Lab } from "../../lab/src/index";
import { bringUp } from "./cluster/bring-up";
import { clients } from "./cluster/clients";
import { CONTROL_PLANE_NODES } from "./cluster/control-plane";
import { faults } from "./cluster/faults";
import { controlPlaneOn } from "./cluster/hooks";
import { life } from "./cluster/life";
import { updater } from "./cluster/updater";
import { variants } from "./cluster/variants";

describe("a control plane of three control-plane nodes", function () {
  this.timeout(15 * 60_000);
  // each test goes on from what the one before it has left
  this.bail(true);
  const plane = controlPlaneOn(() =>
    Lab.up({ name: "cluster-test", machines: CONTROL_PLANE_NODES.length + 1 }),
  );

  bringUp(plane);

  // Two cores for four machines and their load: etcd and API servers stall at times, whoever is in front of them. What fails is told, and once is
  // not counted.
  this.retries(1);

  // the names only: the machines are known when the lab is up
  const placeholders = CONTROL_PLANE_NODES.map((name) => ({ name, address: "10.0.0.1" }));
  for (const { name } of scenarios(placeholders, 6443)) {
    it(`keeps its promise: ${name}`, async () => {
      const { context } = plane();
      const { controlPlaneNodes, ports } = context.cluster;
      const scenario = scenarios(controlPlaneNodes, ports.api).find(
        (candidate) => candidate.name === name,
      );
      assert.ok(scenario !== undefined);
      const report = await plane().underLoad(name, () => scenario.run(context));
      assert.deepEqual(judge(report, scenario.promise).broken, [], JSON.stringify(report.failures));
    });
  }

  clients(plane);
  updater(plane);
  faults(plane);
  variants(plane);
  life(plane);
});
