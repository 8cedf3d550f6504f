import assert from "node:assert/strict";
import { Lab } from "../../lab/src/index";
import { ControlPlane, MASTERS } from "./cluster/control-plane";
import { bringUp } from "./external/bring-up";
import { life } from "./external/life";
import { BALANCERS, ownHosts, type Snapshot } from "./external/own-hosts";
import { power } from "./external/power";
import { token } from "./external/token";

describe("HAProxy outside of the cluster, on hosts of its own", function () {
  this.timeout(10 * 60_000);
  // each test goes on from what the one before it has left
  this.bail(true);
  let lab: Lab | undefined;
  let made: ControlPlane | undefined;

  const plane = () => {
    assert.ok(made !== undefined);
    return made;
  };

  before(async () => {
    const machines = { machines: MASTERS.length, workers: BALANCERS.length };
    lab = await Lab.up({ name: "external-test", ...machines });
    made = await ControlPlane.create(lab, ownHosts(lab));
  });

  after(async () => {
    await made?.dispose();
    await lab?.down();
  });

  const bare = new Map<string, Snapshot>();
  bringUp(plane, bare);
  token(plane);
  power(plane);
  life(plane, bare);
});
