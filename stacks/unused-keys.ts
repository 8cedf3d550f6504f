import type { ValidationError } from "./validation";
import { schema, type Parsed, type Topology } from "./schema";

/** Settings that only one topology uses: those of pods and forwards, and those of services. */
export const ONLY_FOR: Readonly<Record<Topology, readonly string[]>> = {
  daemonset: [
    "daemonset.variant",
    "forward.kind",
    "haproxy.image",
    "haproxy.resources",
    "updater.image",
    "updater.resources",
    "updater.checkConfig",
    "imagePullSecrets",
  ],
  external: ["loadBalancers", "haproxy.takeOver", "token.generation", "token.delivery"],
};

/** Settings of the other topology that differ from their default: they would have no effect. */
export function unusedByTopology(settings: Partial<Parsed>): ValidationError[] {
  const { topology } = settings;
  if (topology === undefined) return [];
  const other = topology === "daemonset" ? "external" : "daemonset";
  return ONLY_FOR[other]
    .filter((path) => !isDefault(settings, path))
    .map((path) => ({
      path,
      message: `has no effect in topology ${topology}: leave it out, or set topology to ${other}`,
    }));
}

/** A key that could not be read counts as default: it already has an error. */
function isDefault(settings: Partial<Parsed>, path: string): boolean {
  const [key = "", ...inner] = path.split(".");
  const value = (settings as Readonly<Record<string, unknown>>)[key];
  if (value === undefined) return true;
  if (key === "loadBalancers") return Object.keys(value as object).length === 0;
  const byDefault: unknown = schema[key as keyof typeof schema].parse(undefined);
  return JSON.stringify(at(value, inner)) === JSON.stringify(at(byDefault, inner));
}

function at(value: unknown, keys: readonly string[]): unknown {
  return keys.reduce<unknown>(
    (inside, key) => (inside as Readonly<Record<string, unknown>>)[key],
    value,
  );
}
