import { Lab } from "../../lab/src/index";
import { CONTROL_PLANE_NODES } from "./cluster/control-plane";
import { controlPlaneOn } from "./cluster/hooks";
import { bringUp } from "./external/bring-up";
import { life } from "./external/life";
import { LOAD_BALANCERS, ownHosts, type Snapshot } from "./external/own-hosts";
import { power } from "./external/power";
import { token } from "./external/token";

describe("HAProxy outside of the cluster, on hosts of its own", function () {
  this.timeout(10 * 60_000);
  // each test goes on from what the one before it has left
  this.bail(true);
  const machines = { machines: CONTROL_PLANE_NODES.length, workers: LOAD_BALANCERS.length };
  const plane = controlPlaneOn(() => Lab.up({ name: "external-test", ...machines }), ownHosts);

  const bare = new Map<string, Snapshot>();
  bringUp(plane, bare);
  token(plane);
  power(plane);
  life(plane, bare);
});
