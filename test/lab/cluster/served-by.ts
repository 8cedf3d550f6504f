import assert from "node:assert/strict";
import { exitCode } from "../../../status/report";
import { eventually } from "../support";
import type { ControlPlane } from "./control-plane";

/** Waits until status names this server on every control-plane node, and checks its exit code. */
export async function servedBy(plane: ControlPlane, server: "HAProxy" | "forward"): Promise<void> {
  // a pod just started has not seen all checks pass yet
  await eventually(`status says ${server} everywhere`, 120, async () => {
    const hosts = await plane.status();
    assert.deepEqual(new Set(hosts.map((host) => host.server)), new Set([server]));
    assert.equal(exitCode(hosts), server === "HAProxy" ? 0 : 1, JSON.stringify(hosts));
    return true;
  });
}
