// The wire format of property values between program, engine and providers. The plugins bundle this
// file.

/** A plain object on the wire. */
export type Properties = Record<string, unknown>;

/** The key that marks a special value (secret, asset, archive, reference). */
export const SIGNATURE_KEY = "4dabf18193072939515e22adb298388d";

/** The mark of a secret. */
export const SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270";

/** Placeholder of a value that is unknown in a preview. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** True for an object that is neither null nor a list. */
export function isObject(value: unknown): value is Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** True for a secret: `{ signature, value }`. */
export function isSecretValue(value: unknown): value is { value: unknown } {
  return isObject(value) && value[SIGNATURE_KEY] === SECRET_SIGNATURE;
}

/**
 * Wraps a value as a secret. The marks of secrets inside it are removed: the outer one covers them.
 */
export function secretValue(value: unknown): unknown {
  return { [SIGNATURE_KEY]: SECRET_SIGNATURE, value: plain(value) ?? null };
}

/** A value without the marks, and the paths of its secrets. */
export interface Unwrapped {
  readonly value: unknown;
  readonly secretPaths: string[];
}

/**
 * Removes the marks of secrets from a value.
 *
 * @param special converts other marked values (assets, references). @default they are kept
 */
export function unwrap(
  value: unknown,
  special: (marked: Properties) => unknown = (marked) => marked,
  path = "",
): Unwrapped {
  if (isSecretValue(value)) {
    const inner = unwrap(value.value, special, path);
    return { value: inner.value, secretPaths: [path, ...inner.secretPaths] };
  }
  if (Array.isArray(value)) {
    const items = value.map((item, index) => unwrap(item, special, `${path}[${index}]`));
    return { value: items.map((i) => i.value), secretPaths: items.flatMap((i) => i.secretPaths) };
  }
  if (!isObject(value)) return { value, secretPaths: [] };
  if (SIGNATURE_KEY in value) return { value: special(value), secretPaths: [] };
  const fields = Object.entries(value).map(
    ([key, item]) => [key, unwrap(item, special, path === "" ? key : `${path}.${key}`)] as const,
  );
  return {
    value: Object.fromEntries(fields.map(([key, item]) => [key, item.value])),
    secretPaths: fields.flatMap(([, item]) => item.secretPaths),
  };
}

/** A value without the marks of secrets. */
export function plain(value: unknown): unknown {
  return unwrap(value).value;
}

/** True if the value is or contains an unknown value. */
export function containsUnknown(value: unknown): boolean {
  if (value === UNKNOWN) return true;
  if (Array.isArray(value)) return value.some(containsUnknown);
  return isObject(value) && Object.values(value).some(containsUnknown);
}

/** True if the value is or contains a secret. */
export function containsSecret(value: unknown): boolean {
  if (isSecretValue(value)) return true;
  if (Array.isArray(value)) return value.some(containsSecret);
  return isObject(value) && Object.values(value).some(containsSecret);
}

/** Equality of plain values, independent of the order of keys. */
export function equal(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => equal(item, b[index]));
  }
  if (isObject(a) && isObject(b)) {
    const keys = Object.keys(a);
    return (
      keys.length === Object.keys(b).length &&
      keys.every((key) => key in b && equal(a[key], b[key]))
    );
  }
  return a === b;
}

/** A key in a property path: dotted, or quoted in brackets. */
export function pathKey(path: string, key: string): string {
  if (/[."[\]]/.test(key)) return `${path}["${key.replaceAll('"', '\\"')}"]`;
  return path === "" ? key : `${path}.${key}`;
}
