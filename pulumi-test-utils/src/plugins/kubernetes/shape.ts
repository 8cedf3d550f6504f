import { equal, isObject, pathKey, UNKNOWN, type Properties } from "../../wire";
import type { PropertyChange } from "../protocol/provider";
import { without, withMetadata, type KubernetesObject } from "./object";

/** The parts of `source` with keys that `target` also has; lists are paired by index. */
export function prune(source: unknown, target: unknown): unknown {
  if (isObject(source) && isObject(target)) {
    const kept = Object.entries(source).filter(([key]) => key in target);
    return Object.fromEntries(kept.map(([key, value]) => [key, prune(value, target[key])]));
  }
  if (Array.isArray(source) && Array.isArray(target)) {
    return source.map((item, index) =>
      index < target.length ? prune(item, target[index]) : (item as unknown),
    );
  }
  return source;
}

const READ_ONLY_METADATA = [
  "creationTimestamp",
  "deletionGracePeriodSeconds",
  "deletionTimestamp",
  "generation",
  "managedFields",
  "resourceVersion",
  "uid",
];

/** Inputs in the API server's normal form: equal meaning gives equal text. */
export function normalize(inputs: KubernetesObject): KubernetesObject {
  const normal = quantities(withoutNulls(inputs)) as KubernetesObject;
  if (normal.metadata === undefined) return normal;
  return withMetadata(
    normal,
    Object.fromEntries(READ_ONLY_METADATA.map((field) => [field, undefined])),
  );
}

/** A Secret with `stringData` as the API server keeps it: all in `data`. */
export function secretAsStored(object: KubernetesObject): KubernetesObject {
  if (object.kind !== "Secret" || !isObject(object.stringData)) return object;
  const encoded = Object.entries(object.stringData).map(([key, value]) => [
    key,
    value === UNKNOWN ? UNKNOWN : Buffer.from(String(value)).toString("base64"),
  ]);
  const data = isObject(object.data) ? object.data : {};
  return { ...without(object, "stringData"), data: { ...data, ...Object.fromEntries(encoded) } };
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([, item]) => item !== null && item !== undefined);
  return Object.fromEntries(kept.map(([key, item]) => [key, withoutNulls(item)]));
}

/** Amounts under `requests` and `limits`: "0.5" becomes "500m". */
function quantities(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(quantities);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(([key, item]) => {
    const amounts = (key === "requests" || key === "limits") && isObject(item);
    return [key, amounts ? mapValues(item, quantity) : quantities(item)];
  });
  return Object.fromEntries(entries) as Properties;
}

function quantity(amount: unknown): unknown {
  const match = /^(\d+(?:\.\d+)?)(m?)$/.exec(String(amount));
  if (match === null) return amount;
  const thousandths = Math.ceil(Number(match[1]) * (match[2] === "m" ? 1 : 1000));
  return thousandths % 1000 === 0 ? String(thousandths / 1000) : `${thousandths}m`;
}

function mapValues(object: Properties, change: (value: unknown) => unknown): Properties {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
}

/**
 * Changes by property path; lists are compared by index.
 *
 * @param forceNew dotted paths that replace the object when they change
 */
export function changesOf(
  before: Properties,
  after: Properties,
  forceNew: readonly string[],
): Record<string, PropertyChange> {
  const changes: Record<string, PropertyChange> = {};
  const record = (
    kind: PropertyChange["kind"],
    path: string,
    keys: readonly (string | number)[],
    value: unknown,
  ) => {
    const replace = forceNew.some((force) => touches(keys, force.split("."), value));
    changes[path] = { kind, replace, inputDiff: kind === "delete" };
  };
  const walk = (
    path: string,
    keys: readonly (string | number)[],
    old: unknown,
    next: unknown,
  ): void => {
    if (equal(old, next)) return;
    if (old === undefined) record("add", path, keys, next);
    else if (next === undefined) record("delete", path, keys, old);
    else if (isObject(old) && isObject(next)) {
      for (const key of new Set([...Object.keys(old), ...Object.keys(next)])) {
        walk(pathKey(path, key), [...keys, key], old[key], next[key]);
      }
    } else if (Array.isArray(old) && Array.isArray(next)) {
      for (let index = 0; index < Math.max(old.length, next.length); index += 1) {
        walk(`${path}[${index}]`, [...keys, index], old[index], next[index]);
      }
    } else record("update", path, keys, next);
  };
  walk("", [], before, after);
  return changes;
}

/** True if a change at `keys` lies inside the path `force`, or brings a value that contains it. */
function touches(
  keys: readonly (string | number)[],
  force: readonly string[],
  value: unknown,
): boolean {
  const common = Math.min(keys.length, force.length);
  for (let index = 0; index < common; index += 1) {
    if (keys[index] !== force[index]) return false;
  }
  let inside = value;
  for (const key of force.slice(common)) inside = isObject(inside) ? inside[key] : undefined;
  return keys.length >= force.length || inside !== undefined;
}
