import { runtime } from "@pulumi/pulumi";
import * as rpc from "@pulumi/pulumi/runtime/rpc";

/** Stands for a value that the engine would not know yet (in a preview). */
export const UNKNOWN = rpc.unknownValue;

/** The key that marks a special value (secret, asset, reference) on the wire. */
export const SIGNATURE_KEY = "4dabf18193072939515e22adb298388d";

/** A plain object on the wire. */
export type Properties = Record<string, unknown>;

export function isObject(value: unknown): value is Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** True for a secret on the wire: `{ signature, value }`. */
export function isSecretValue(value: unknown): value is { value: unknown } {
  return isObject(value) && value[SIGNATURE_KEY] === rpc.specialSecretSig;
}

/** Wraps a value as a secret on the wire; what is a secret already stays as it is. */
export function secretValue(value: unknown): unknown {
  if (isSecretValue(value)) return value;
  return { [SIGNATURE_KEY]: rpc.specialSecretSig, value: value ?? null };
}

/** What a wire value says, without the marks, and the paths at which secrets stood. */
export interface Unwrapped {
  readonly value: unknown;
  readonly secretPaths: string[];
}

/** Takes the marks of secrets, assets and references off a wire value. */
export function unwrap(value: unknown, path = ""): Unwrapped {
  if (isSecretValue(value)) {
    const inner = unwrap(value.value, path);
    return { value: inner.value, secretPaths: [path, ...inner.secretPaths] };
  }
  if (Array.isArray(value)) {
    const items = value.map((item, index) => unwrap(item, `${path}[${index}]`));
    return { value: items.map((i) => i.value), secretPaths: items.flatMap((i) => i.secretPaths) };
  }
  if (!isObject(value)) return { value, secretPaths: [] };
  if (SIGNATURE_KEY in value) {
    const special: unknown = runtime.deserializeProperty(value, true);
    return { value: special, secretPaths: [] };
  }
  const fields = Object.entries(value).map(
    ([key, item]) => [key, unwrap(item, path === "" ? key : `${path}.${key}`)] as const,
  );
  return {
    value: Object.fromEntries(fields.map(([key, item]) => [key, item.value])),
    secretPaths: fields.flatMap(([, item]) => item.secretPaths),
  };
}
