import type { Fragment } from "./kubeadm-settings";

function isObject(value: unknown): value is Fragment {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Is this a list of kubeadm's arguments, `[{ name, value }]`? */
function isArguments(value: unknown): value is { name: string; value: string }[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((entry) => isObject(entry) && typeof entry["name"] === "string" && "value" in entry)
  );
}

/**
 * Merges a user's fragment over our document: objects key by key, lists of arguments by name (the
 * user's value wins), lists whose key is in `unions` as a union. Everything else is the user's.
 */
export function merge(ours: Fragment, users: Fragment, unions: ReadonlySet<string>): Fragment {
  const merged: Record<string, unknown> = { ...ours };
  for (const [key, value] of Object.entries(users)) {
    const before = merged[key];
    if (isObject(before) && isObject(value)) {
      merged[key] = merge(before, value, unions);
    } else if (isArguments(before) && isArguments(value)) {
      const names = new Set(value.map((argument) => argument.name));
      merged[key] = [...before.filter((argument) => !names.has(argument.name)), ...value];
    } else if (unions.has(key) && Array.isArray(before) && Array.isArray(value)) {
      merged[key] = [...new Set<unknown>([...(before as unknown[]), ...(value as unknown[])])];
    } else if (value !== undefined) {
      merged[key] = value;
    }
  }
  return merged;
}
