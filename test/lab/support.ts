import assert from "node:assert/strict";
import type { Lab } from "../../lab/src/index";

/** Waits until `probe` returns something other than undefined or false; an error counts as "not yet" and is named when time is up. */
export async function eventually<T>(
  what: string,
  seconds: number,
  probe: () => Promise<T | undefined | false>,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  let last: unknown = "never true";
  while (Date.now() < deadline) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
      last = "not yet";
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`${what}: not within ${seconds} s; last: ${String(last)}`);
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
    ls -d /var/lib/control-plane-lb /usr/local/lib/control-plane-lb /run/control-plane-lb* 2>/dev/null | grep -vx /run/control-plane-lb-host || true
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
