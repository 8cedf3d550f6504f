import assert from "node:assert/strict";
import type { Lab } from "../../../lab/src/index";
import { ControlPlane, type Layout } from "./control-plane";

/**
 * A control plane shared by the tests of a suite: created before the first one, removed with its
 * lab after the last one.
 */
export function controlPlaneOn(
  up: () => Promise<Lab>,
  layoutOf?: (lab: Lab) => Layout,
): () => ControlPlane {
  let lab: Lab | undefined;
  let made: ControlPlane | undefined;

  before(async () => {
    lab = await up();
    made = await ControlPlane.create(lab, layoutOf?.(lab));
  });

  after(async () => {
    await made?.dispose();
    await lab?.down();
  });

  return () => {
    assert.ok(made !== undefined);
    return made;
  };
}
