import assert from "node:assert/strict";
import { readSettings, ConfigurationError, type Settings } from "../../../stacks/settings";
import type { Environment } from "../../../stacks/ssh-targets";

export const HOST_KEY = `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${"A".repeat(43)}`;
export const PRIVATE_KEY = "-----BEGIN KEY-----\nvery secret\n-----END KEY-----\n";

/** A valid configuration. */
export function example(): Record<string, unknown> {
  return {
    endpoint: { host: "lb.example" },
    nodes: {
      m1: { address: "10.0.0.11" },
      m2: { address: "10.0.0.12" },
      m3: { address: "10.0.0.13" },
    },
    ssh: { user: "ops", hostKey: HOST_KEY, privateKeyFile: "~/key" },
  };
}

export const environment: Environment = {
  readFile: (path) => {
    if (path === "~/key") return PRIVATE_KEY;
    if (path === "host.pub") return `${HOST_KEY} root@m1\n`;
    throw new Error(`ENOENT: no such file or directory, open '${path}'`);
  },
  env: {},
};

/** The settings of the example with these keys instead. */
export function read(changes: Record<string, unknown> = {}): Settings {
  const values: Record<string, unknown> = { ...example(), ...changes };
  return readSettings((key) => values[key], Object.keys(values), environment);
}

/** The errors in it, as `path: message`. */
export function validationErrors(changes: Record<string, unknown>): string[] {
  let found: unknown;
  try {
    read(changes);
  } catch (error) {
    found = error;
  }
  assert.ok(found instanceof ConfigurationError, `no ConfigurationError: ${String(found)}`);
  return found.errors.map(({ path, message }) => `${path}: ${message}`);
}
