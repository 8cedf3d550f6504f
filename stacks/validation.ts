import type { z } from "zod";

/** One thing that is wrong in the configuration. */
export interface ValidationError {
  /** Where, as an operator writes it: `nodes.m2.address`, `allow[1]`. */
  readonly path: string;
  /** The value seen, what is expected, the next step. */
  readonly message: string;
}

/** The configuration cannot be used; nothing has been changed anywhere. */
export class ConfigurationError extends Error {
  readonly errors: readonly ValidationError[];

  constructor(errors: readonly ValidationError[]) {
    const shown = errors.map(({ path, message }) => ({
      path: withoutKeys(path),
      message: withoutKeys(message),
    }));
    const count = errors.length === 1 ? "an error" : `${errors.length} errors`;
    const lines = shown.map(({ path, message }) => `  ${path}: ${message}`);
    super(`the configuration has ${count}; nothing was changed:\n${lines.join("\n")}`);
    this.name = "ConfigurationError";
    this.errors = shown;
  }
}

const HIDDEN_KEYS = "privateKey|privateKeyPassword|kubeconfig";

/** Keys whose values are never shown. */
const HIDDEN = new RegExp(`^(${HIDDEN_KEYS})$`);

/** One of them inside a text, such as an object that is not quite JSON. */
const HIDDEN_INSIDE = new RegExp(`\\b(${HIDDEN_KEYS})\\b`);

const NOT_SHOWN = "a value (not shown)";

const KEY_BODY = /[A-Za-z0-9+/=]{20,}/g;

/**
 * Is this a private key or a kubeconfig, whatever its setting is called? They span lines, or have a
 * PEM header.
 */
export function looksSecret(text: string): boolean {
  return /\n|-----BEGIN|PRIVATE KEY/.test(text);
}

/** Without the bodies of keys: base64 of 20 characters or more, of which the first 8 stay. */
function withoutKeys(text: string): string {
  return text.replaceAll(KEY_BODY, (body) =>
    /[a-z]/.test(body) && /[A-Z]/.test(body) && /[0-9]/.test(body) ? `${body.slice(0, 8)}…` : body,
  );
}

/** A value as a message shows it: short, and no secret. */
export function show(path: string, value: unknown): string {
  if (path.split(/[.[]/).some((key) => HIDDEN.test(key))) return NOT_SHOWN;
  let secret = false;
  const json = JSON.stringify(value, (key, inner: unknown) => {
    secret ||= looksSecret(key);
    if (typeof inner === "string") secret ||= looksSecret(inner) || HIDDEN_INSIDE.test(inner);
    return HIDDEN.test(key) ? NOT_SHOWN : inner;
  });
  if (secret) return NOT_SHOWN;
  const text = withoutKeys(json ?? String(value));
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

/** `got VALUE, expected EXPECTED`, or that there is none. */
export function expectedAt(path: string, value: unknown, expected: string): ValidationError {
  const message =
    value === undefined
      ? `missing: expected ${expected}`
      : `got ${show(path, value)}, expected ${expected}`;
  return { path, message };
}

/** The errors that a schema finds in the value at `path`. */
export function schemaErrors(path: string, value: unknown, error: z.ZodError): ValidationError[] {
  const errors = error.issues.flatMap((issue) => {
    const where = join(path, issue.path);
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => ({ path: join(where, [key]), message: issue.message }));
    }
    return [expectedAt(where, valueAt(value, issue.path), issue.message)];
  });
  // a value that breaks several rules has one error
  const texts = errors.map(({ path: at, message }) => `${at}: ${message}`);
  return errors.filter((_, index) => texts.indexOf(texts[index]!) === index);
}

function join(path: string, more: readonly PropertyKey[]): string {
  return more.reduce<string>(
    (whole, key) => (typeof key === "number" ? `${whole}[${key}]` : `${whole}.${keyName(key)}`),
    path,
  );
}

/** A key as a path shows it: a secret that stands in the place of a key is not shown. */
export function keyName(key: PropertyKey): string {
  return looksSecret(String(key)) ? "(not shown)" : String(key);
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null
        ? (value as Record<PropertyKey, unknown>)[key]
        : undefined,
    root,
  );
}
