/** The configuration's JSON Schema, and its keys one by one. */
import { z } from "zod";
import { configuration } from "../../stacks/schema";

/** JSON Schema of one value, as far as the schema of the configuration uses it. */
export interface Property {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly secret?: boolean;
  readonly properties?: Readonly<Record<string, Property>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Property;
  readonly items?: Property;
}

/** A key that holds a value of its own, not further keys. */
export interface Leaf {
  /** `haproxy.timeouts.idle`, `nodes.NAME.address`. */
  readonly path: string;
  readonly property: Property;
  readonly required: boolean;
}

/** The whole configuration, as operators write it. */
export function configurationSchema(): Property & {
  readonly properties: Record<string, Property>;
} {
  return z.toJSONSchema(configuration, { io: "input", target: "draft-7" }) as ReturnType<
    typeof configurationSchema
  >;
}

/** All keys below `property`, in the order of the schema. */
export function leavesOf(property: Property, prefix = ""): Leaf[] {
  return Object.entries(property.properties ?? {}).flatMap(([key, inner]) => {
    const path = prefix + key;
    const leaf = { path, property: inner, required: property.required?.includes(key) ?? false };
    const entries = inner.additionalProperties;
    // the keys of loadBalancers are those of nodes
    if (key === "nodes" && typeof entries === "object") {
      return [leaf, ...leavesOf(entries, `${path}.NAME.`)];
    }
    if (inner.properties === undefined) return [leaf];
    const optional = inner.default === undefined && !leaf.required;
    return [...(optional ? [leaf] : []), ...leavesOf(inner, `${path}.`)];
  });
}

/** The default as a text; empty where there is none. */
export function defaultOf({ property }: Leaf): string {
  const value = property.default;
  if (value === undefined || JSON.stringify(value) === "[]" || JSON.stringify(value) === "{}") {
    return "";
  }
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** A description without Markdown. */
export function plain(description = ""): string {
  return description.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll("`", "");
}
