import assert from "node:assert/strict";
import { judge } from "../../../e2e/scenario/expectation";
import { FEW_STRANGERS, strangerScenarios, strangersOf } from "../../../e2e/scenario/strangers";
import { CONTROL_PLANE_NODES, type ControlPlane } from "./control-plane";

/** Floods by a stranger whom no allow-list keeps out. `npm run strangers` has the large ones. */
export function strangerTests(plane: () => ControlPlane): void {
  it("fails no request and no probe, and restarts nothing, while a stranger holds connections", async () => {
    const { context } = plane();
    const { inside } = strangersOf(plane().address(CONTROL_PLANE_NODES[0]!));
    for (const scenario of strangerScenarios(inside, FEW_STRANGERS)) {
      const report = await plane().underLoad(scenario.name, () => scenario.run(context));
      const { deviations } = judge(report, scenario.expectation);
      assert.deepEqual(deviations, [], JSON.stringify(report.failures));
    }
  });
}
