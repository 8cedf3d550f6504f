import assert from "node:assert/strict";
import type { Lab } from "../../lab/src/index";

/** Traces of this program on a machine; empty when there are none. */
export async function traces(lab: Lab, machine: string): Promise<string> {
  const { stdout } = await lab.exec(
    machine,
    `
    ls -d /var/lib/control-plane-lb /opt/control-plane-lb /run/control-plane-lb* 2>/dev/null | grep -vx /run/control-plane-lb-host || true
    find /etc/systemd /run/systemd -name '*control-plane-lb*' 2>/dev/null || true
    systemctl list-units --all --plain --no-legend '*control-plane-lb*'
    nft -s list ruleset 2>/dev/null | grep -nE 'control.plane.lb|6444' || true
    ss -Hltn 'sport = :6444' || true
    `,
  );
  return stdout.trim();
}

/** Asserts that an operation fails with a message that matches every pattern. */
export async function refuses(
  operation: Promise<unknown>,
  ...patterns: readonly RegExp[]
): Promise<void> {
  const error = await operation.then(
    () => undefined,
    (reason: unknown) => reason as Error,
  );
  assert.ok(error !== undefined, "the operation succeeded");
  for (const pattern of patterns) assert.match(error.message, pattern);
}
