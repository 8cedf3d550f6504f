import assert from "node:assert/strict";
import type { Lab } from "../../lab/src/index";
import { waitUntil } from "../../tools/src/index";

/** `waitUntil` with a deadline in seconds. */
export function eventually<T>(
  what: string,
  seconds: number,
  probe: () => Promise<T | undefined | false>,
): Promise<T> {
  return waitUntil(what, { seconds, everyMs: 250 }, probe);
}

/** kubectl with the administrator's rights on machine `on`, against that machine's own API server. */
export async function kubectl(lab: Lab, on: string, command: string): Promise<string> {
  const address = lab.machines.find((machine) => machine.name === on)?.address;
  const { stdout } = await lab.exec(
    on,
    `kubectl --kubeconfig /etc/kubernetes/admin.conf --server https://${address}:6443 ${command}`,
  );
  return stdout;
}

/** Everything of ours that a machine could show; empty when there is no trace. */
export async function traces(lab: Lab, machine: string): Promise<string> {
  const { stdout } = await lab.exec(
    machine,
    `
    ls -d /var/lib/control-plane-lb /usr/local/lib/control-plane-lb /run/control-plane-lb* 2>/dev/null || true
    find /etc/systemd /run/systemd -name '*control-plane-lb*' 2>/dev/null || true
    systemctl list-units --all --plain --no-legend '*control-plane-lb*'
    nft -s list ruleset 2>/dev/null | grep -nE 'control.plane.lb|6444' || true
    ss -Hltn 'sport = :6444' || true
    `,
  );
  return stdout.trim();
}

/** Asserts that an operation is refused with a message that matches every pattern. */
export async function refuses(
  operation: Promise<unknown>,
  ...patterns: readonly RegExp[]
): Promise<void> {
  const error = await operation.then(
    () => undefined,
    (reason: unknown) => reason as Error,
  );
  assert.ok(error !== undefined, "it was accepted");
  for (const pattern of patterns) assert.match(error.message, pattern);
}
