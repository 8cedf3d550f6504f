import { Lab } from "../../lab/src/index";
import { CONTROL_PLANE_NODES } from "./cluster/control-plane";
import { controlPlaneOn } from "./cluster/shared-control-plane";
import { bringUp } from "./external/bring-up";
import { moveAndRemoval } from "./external/move-and-removal";
import { LOAD_BALANCERS, loadBalancerHosts, type Snapshot } from "./external/load-balancer-hosts";
import { powerCuts } from "./external/power-cuts";
import { tokenTests } from "./external/token";

describe("HAProxy on load-balancer hosts outside the cluster", function () {
  this.timeout(10 * 60_000);
  // each test continues from the state that the previous one left
  this.bail(true);
  const machines = { machines: CONTROL_PLANE_NODES.length, workers: LOAD_BALANCERS.length };
  const plane = controlPlaneOn(
    () => Lab.up({ name: "external-test", ...machines }),
    loadBalancerHosts,
  );

  const bare = new Map<string, Snapshot>();
  bringUp(plane, bare);
  tokenTests(plane);
  powerCuts(plane);
  moveAndRemoval(plane, bare);
});
