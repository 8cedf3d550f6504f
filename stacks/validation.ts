import type { z } from "zod";

/** One thing that is wrong in the configuration. */
export interface ValidationError {
  /** Where, as an operator writes it: `nodes.m2.address`, `allow[1]`. */
  readonly path: string;
  /** The value seen, what is allowed, what to do. */
  readonly message: string;
}

/** The configuration cannot be used; nothing has been changed anywhere. */
export class SettingsError extends Error {
  constructor(readonly validationErrors: readonly ValidationError[]) {
    const count =
      validationErrors.length === 1 ? "a mistake" : `${validationErrors.length} mistakes`;
    const lines = validationErrors.map(({ path, message }) => `  ${path}: ${message}`);
    super(`the configuration has ${count}; nothing was changed:\n${lines.join("\n")}`);
    this.name = "SettingsError";
  }
}

/** Keys whose values are never shown. */
const HIDDEN = /^(privateKey|privateKeyPassword|kubeconfig)$/;

/** A value as a message shows it: short, and no secret. */
export function show(path: string, value: unknown): string {
  if (path.split(".").some((key) => HIDDEN.test(key))) return "a value (not shown)";
  const json = JSON.stringify(value) ?? String(value);
  return json.length > 80 ? `${json.slice(0, 79)}…` : json;
}

/** `got VALUE, expected EXPECTED`, or that there is none. */
export function expectedAt(path: string, value: unknown, expected: string): ValidationError {
  const message =
    value === undefined
      ? `missing: expected ${expected}`
      : `got ${show(path, value)}, expected ${expected}`;
  return { path, message };
}

/** What a schema found in the value that stands at `path`. */
export function validationErrorsOf(
  path: string,
  value: unknown,
  error: z.ZodError,
): ValidationError[] {
  return error.issues.flatMap((issue) => {
    const where = join(path, issue.path);
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => ({ path: `${where}.${key}`, message: issue.message }));
    }
    return [expectedAt(where, valueAt(value, issue.path), issue.message)];
  });
}

function join(path: string, more: readonly PropertyKey[]): string {
  return more.reduce<string>(
    (whole, key) => (typeof key === "number" ? `${whole}[${key}]` : `${whole}.${String(key)}`),
    path,
  );
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
