import { stringify } from "yaml";
import {
  configurationSchema,
  defaultOf,
  leavesOf,
  plain,
  type Leaf,
  type Property,
} from "./properties";

/** Pulumi.yaml with the `config` block of the schema; everything before that block stays. */
export function withConfigBlock(pulumiYaml: string): string {
  const { properties, required = [] } = configurationSchema();
  const config = Object.fromEntries(
    Object.entries(properties).map(([key, property]) => [
      key,
      entry(property, required.includes(key)),
    ]),
  );
  const [before = ""] = pulumiYaml.split(/^config:$/m);
  return `${before}${stringify({ config }, { lineWidth: 0, defaultStringType: "PLAIN" })}`;
}

/** What stands for no value, by type: the program reads it so. */
const noValue = (type: string): unknown =>
  type === "string" ? "" : type === "object" ? {} : undefined;

function entry(property: Property, required: boolean) {
  const type = property.type ?? "string";
  // Pulumi demands a value for each key without a default
  const byDefault = property.default ?? noValue(type);
  return {
    type,
    ...(type === "array" ? { items: { type: "string" } } : {}),
    ...(required ? {} : { default: byDefault }),
    description: [plain(property.description), ...keysOf(property)].join(" "),
  };
}

function keysOf(property: Property): string[] {
  const entries = property.additionalProperties;
  const leaves = leavesOf(typeof entries === "object" ? entries : property);
  return leaves.length === 0 ? [] : [`Keys: ${leaves.map(sentence).join(" ")}`];
}

function sentence(leaf: Leaf): string {
  const value = leaf.required ? "required" : defaultOf(leaf);
  return `${leaf.path}${value === "" ? "" : ` (${value})`}: ${plain(leaf.property.description)}`;
}
