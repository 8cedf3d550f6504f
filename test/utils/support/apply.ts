import { isObject, type Properties } from "../../../pulumi-test-utils/src/wire";
import type {
  KubernetesObject,
  ManagedFields,
} from "../../../pulumi-test-utils/src/plugins/kubernetes/object";

// server-side apply as far as the tests need it: maps are merged, everything else is a leaf

type Leaf = readonly string[];

/** Two managers want different values. */
export class Conflict extends Error {}

/** Applies `body` to an object (undefined: it is created) on behalf of a manager. */
export function applyTo(
  live: KubernetesObject | undefined,
  body: KubernetesObject,
  manager: string,
  force: boolean,
): KubernetesObject {
  const entries = live?.metadata?.managedFields ?? [];
  const desired = leaves(body).filter((leaf) => !isIdentity(leaf));
  const others = entries.filter((e) => e.manager !== manager || e.operation !== "Apply");
  for (const leaf of desired) {
    const owner = others.find((entry) => has(entry, leaf));
    const same = JSON.stringify(get(live, leaf)) === JSON.stringify(get(body, leaf));
    if (owner !== undefined && !same && !force) {
      throw new Conflict(
        `Apply failed with 1 conflict: conflict with "${owner.manager}": .${leaf.join(".")}`,
      );
    }
  }
  const before = entries.find((e) => e.manager === manager && e.operation === "Apply");
  const kept = others.map((entry) => without(entry, desired, live, body));
  let result: Properties = structuredClone(live ?? identity(body));
  for (const leaf of before === undefined ? [] : leavesOf(before)) {
    const isDesired = desired.some((other) => other.join("\n") === leaf.join("\n"));
    if (!isDesired && !others.some((entry) => has(entry, leaf)))
      result = set(result, leaf, undefined);
  }
  for (const leaf of desired) result = set(result, leaf, get(body, leaf));
  const own: ManagedFields = { manager, operation: "Apply", fieldsV1: tree(desired) };
  const managedFields = [...kept, ...(desired.length > 0 ? [own] : [])].filter(
    (entry) => leavesOf(entry).length > 0,
  );
  return { ...result, metadata: { ...(result["metadata"] as Properties), managedFields } };
}

/** Fields of a manager that created the whole object. */
export function ownedByUpdate(body: KubernetesObject, manager: string): ManagedFields {
  const owned = leaves(body).filter((leaf) => !isIdentity(leaf));
  return { manager, operation: "Update", fieldsV1: tree(owned) };
}

/** A forced value takes the field from its former owner. */
function without(
  entry: ManagedFields,
  desired: readonly Leaf[],
  live: unknown,
  body: unknown,
): ManagedFields {
  const lost = desired.filter(
    (leaf) => JSON.stringify(get(live, leaf)) !== JSON.stringify(get(body, leaf)),
  );
  const rest = leavesOf(entry).filter(
    (leaf) => !lost.some((other) => other.join("\n") === leaf.join("\n")),
  );
  return { ...entry, fieldsV1: tree(rest) };
}

function identity({ apiVersion, kind, metadata }: KubernetesObject): Properties {
  return { apiVersion, kind, metadata: { name: metadata?.name, namespace: metadata?.namespace } };
}

function isIdentity(leaf: Leaf): boolean {
  const path = leaf.join(".");
  return ["apiVersion", "kind", "metadata.name", "metadata.namespace"].includes(path);
}

function leaves(value: unknown, path: Leaf = []): Leaf[] {
  if (!isObject(value) || Object.keys(value).length === 0) return [path];
  return Object.entries(value).flatMap(([key, item]) => leaves(item, [...path, key]));
}

function leavesOf(entry: ManagedFields): Leaf[] {
  const all = leaves(entry.fieldsV1 ?? {}).map((leaf) => leaf.map((key) => key.slice(2)));
  return all.filter((leaf) => leaf.length > 0);
}

function has(entry: ManagedFields, leaf: Leaf): boolean {
  return leavesOf(entry).some((other) => other.join("\n") === leaf.join("\n"));
}

function tree(all: readonly Leaf[]): Properties {
  return all.reduce<Properties>(
    (result, leaf) =>
      set(
        result,
        leaf.map((key) => `f:${key}`),
        {},
      ),
    {},
  );
}

function get(value: unknown, path: Leaf): unknown {
  return path.reduce<unknown>((node, key) => (isObject(node) ? node[key] : undefined), value);
}

function set(object: Properties, path: Leaf, value: unknown): Properties {
  const [key = "", ...rest] = path;
  const { [key]: before, ...others } = object;
  if (rest.length > 0)
    return { ...others, [key]: set(isObject(before) ? before : {}, rest, value) };
  return value === undefined ? others : { ...others, [key]: value };
}
