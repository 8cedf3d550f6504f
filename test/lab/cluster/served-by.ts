import assert from "node:assert/strict";
import { waitUntil } from "../../../tools/src/index";
import { exitCode } from "../../../status/report";
import type { ControlPlane } from "./control-plane";

/**
 * Waits until status reports this server on every control-plane node, with the exit code that
 * belongs to it.
 */
export async function waitUntilServedBy(
  plane: ControlPlane,
  server: "HAProxy" | "forward",
): Promise<void> {
  // a new pod has not yet seen all checks pass
  await waitUntil(`status to report ${server} on every node`, { seconds: 120 }, async () => {
    const hosts = await plane.status();
    assert.deepEqual(new Set(hosts.map((host) => host.server)), new Set([server]));
    assert.equal(exitCode(hosts), server === "HAProxy" ? 0 : 1, JSON.stringify(hosts));
    return true;
  });
}
