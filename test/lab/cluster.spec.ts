import assert from "node:assert/strict";
import { daemonsetScenarios } from "../../e2e/scenario/scenarios";
import { judge } from "../../e2e/scenario/expectation";
import { Lab } from "../../lab/src/index";
import { bringUp } from "./cluster/bring-up";
import { clientTests } from "./cluster/clients";
import { CONTROL_PLANE_NODES } from "./cluster/control-plane";
import { faultTests } from "./cluster/faults";
import { controlPlaneOn } from "./cluster/shared-control-plane";
import { rollTests } from "./cluster/rolls";
import { strangerTests } from "./cluster/strangers";
import { nodeLifecycle } from "./cluster/node-lifecycle";
import { updaterTests } from "./cluster/updater";
import { variantTests } from "./cluster/variants";

describe("three control-plane nodes with HAProxy in a DaemonSet", function () {
  this.timeout(15 * 60_000);
  // each test continues from the state that the previous one left
  this.bail(true);
  const plane = controlPlaneOn(() =>
    Lab.up({ name: "cluster-test", machines: CONTROL_PLANE_NODES.length + 1 }),
  );

  bringUp(plane);

  // names only: the machines are known when the lab is up
  const placeholders = CONTROL_PLANE_NODES.map((name) => ({ name, address: "10.0.0.1" }));
  for (const { name } of daemonsetScenarios(placeholders, 6443)) {
    it(`meets the expectation of the scenario: ${name}`, async () => {
      const { context } = plane();
      const { controlPlaneNodes, ports } = context.cluster;
      const scenario = daemonsetScenarios(controlPlaneNodes, ports.api).find(
        (candidate) => candidate.name === name,
      );
      assert.ok(scenario !== undefined);
      const report = await plane().underLoad(name, () => scenario.run(context));
      assert.deepEqual(
        judge(report, scenario.expectation).deviations,
        [],
        JSON.stringify(report.failures),
      );
    });
  }

  clientTests(plane);
  strangerTests(plane);
  updaterTests(plane);
  faultTests(plane);
  variantTests(plane);
  rollTests(plane);
  nodeLifecycle(plane);
});
