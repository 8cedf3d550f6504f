import { PRODUCT } from "../../names";
import { configurationSchema, plain, type Property } from "./properties";

/** JSON Schema of Pulumi.STACK.yaml, for editors. */
export function stackFileSchema(): object {
  const { properties, required = [] } = configurationSchema();
  const prefixed = (key: string) => `${PRODUCT}:${key}`;
  const names = Object.keys(properties).join("|");
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: `Configuration of a ${PRODUCT} stack (Pulumi.STACK.yaml)`,
    type: "object",
    required: ["config"],
    properties: {
      config: {
        type: "object",
        required: required.map(prefixed),
        properties: Object.fromEntries(
          Object.entries(properties).map(([key, property]) => [
            prefixed(key),
            orSecure(forEditors(property)),
          ]),
        ),
        // keys of other projects and of providers stay free
        patternProperties: { [`^${PRODUCT}:(?!(${names})$)`]: false },
      },
    },
    definitions: {
      secure: {
        description: "A value that Pulumi has encrypted: pulumi config set --secret",
        type: "object",
        required: ["secure"],
        properties: { secure: { type: "string" } },
        additionalProperties: false,
      },
    },
  };
}

type Schema = Readonly<Record<string, unknown>>;

/** Without our own keywords and Markdown; each single value may be encrypted. */
function forEditors(property: Property): Schema {
  const { description, ...rest } = property as Property & Schema;
  const schema: Record<string, unknown> = { ...rest };
  delete schema["secret"];
  if (description !== undefined) schema["description"] = plain(description);
  // the long patterns of addresses say no more than their format; other formats are Zod's own
  if (["ipv4", "ipv6"].includes(String(schema["format"]))) delete schema["pattern"];
  else delete schema["format"];
  if (property.properties !== undefined) {
    schema["properties"] = Object.fromEntries(
      Object.entries(property.properties).map(([key, inner]) => {
        const each = forEditors(inner);
        return [key, inner.properties === undefined ? orSecure(each) : each];
      }),
    );
  }
  if (typeof property.additionalProperties === "object") {
    schema["additionalProperties"] = forEditors(property.additionalProperties);
  }
  if (property.items !== undefined) schema["items"] = forEditors(property.items);
  if (Array.isArray(rest["anyOf"])) schema["anyOf"] = (rest["anyOf"] as Property[]).map(forEditors);
  return schema;
}

function orSecure({ description, default: byDefault, ...schema }: Schema): Schema {
  return {
    ...(description === undefined ? {} : { description }),
    ...(byDefault === undefined ? {} : { default: byDefault }),
    anyOf: [schema, { $ref: "#/definitions/secure" }],
  };
}
