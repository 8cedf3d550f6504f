import { isObject, type Properties } from "../../wire";
import type { ManagedFields } from "./object";

/** Managers whose fields the provider takes over before an apply. */
const TAKEN_OVER: readonly (readonly [string, ManagedFields["operation"]])[] = [
  ["kubectl", "Apply"],
  ["kubectl", "Update"],
  ["before-first-apply", "Update"],
  ["pulumi-kubernetes", "Update"],
  ["pulumi-kubernetes.exe", "Update"],
  ["pulumi-resource-kubernetes", "Update"],
];

/** Entries in which ours has the fields taken over; undefined if there are none. */
export function takeOver(
  entries: readonly ManagedFields[],
  manager: string,
): ManagedFields[] | undefined {
  const isTaken = (entry: ManagedFields) =>
    (entry.subresource ?? "") === "" &&
    TAKEN_OVER.some(([name, op]) => entry.manager === name && entry.operation === op);
  const taken = entries.filter(isTaken);
  const [first] = taken;
  if (first === undefined) return undefined;
  const rest = entries.filter((entry) => !isTaken(entry));
  const own = rest.find((entry) => entry.manager === manager && entry.operation === "Apply");
  const fields = [own, ...taken].reduce<Properties>(
    (all, entry) => union(all, entry?.fieldsV1 ?? {}),
    {},
  );
  const ours: ManagedFields = {
    ...(own ?? first),
    manager,
    operation: "Apply",
    fieldsV1: fields,
  };
  return [...rest.filter((entry) => entry !== own), ours];
}

function union(a: Properties, b: Properties): Properties {
  const result: Properties = { ...a };
  for (const [key, value] of Object.entries(b)) {
    const before = result[key];
    result[key] = isObject(before) && isObject(value) ? union(before, value) : value;
  }
  return result;
}

/** True if the entries of these managers name the field at a path such as ["data", "m1"]. */
export function owns(entries: readonly ManagedFields[], path: readonly string[]): boolean {
  return entries.some((entry) => {
    let node: unknown = entry.fieldsV1;
    for (const key of path) node = isObject(node) ? node[`f:${key}`] : undefined;
    return node !== undefined;
  });
}
