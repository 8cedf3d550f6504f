/** Output of `statusScript` on a healthy host, with the given changes. */
export function answers(
  changes: Readonly<Record<string, string | readonly string[]>> = {},
): string {
  const lines: Record<string, string | readonly string[]> = {
    listener: [
      '10.77.0.11:6444 users:(("haproxy",pid=812,fd=7))',
      '*:6444 users:(("socat",pid=300,fd=5))',
    ],
    forward: [
      "control-plane-lb-forward.service works",
      "control-plane-lb-forward-rules.service works",
    ],
    health: "200",
    endpoint: "401",
    api: "200",
    updater: updater({}),
    ...changes,
  };
  return Object.entries(lines)
    .flatMap(([key, values]) => [values].flat().map((value) => `${key} ${value}`))
    .join("\n");
}

export function updater(changes: object): string {
  return JSON.stringify({
    lastSyncSeconds: 12.3,
    waitingForToken: false,
    problems: [],
    token: "0123456789ab",
    revision: "812",
    backends: [
      { name: "m1", address: "10.77.0.11", port: 6443, state: "ready" },
      { name: "m2", address: "10.77.0.12", port: 6443, state: "ready" },
    ],
    refused: [],
    discovery: "configMap",
    outOfSlice: [],
    ...changes,
  });
}
