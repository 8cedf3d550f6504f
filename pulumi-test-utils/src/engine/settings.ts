import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { isObject } from "../wire";
import { Crypter } from "./crypter";

/**
 * A value of the stack's configuration: a plain value, or one marked as secret. If the project's
 * schema expects another type than string, a string is parsed as JSON.
 */
export type ConfigValue =
  string | number | boolean | { readonly value: unknown; readonly secret?: boolean };

/** A secret text inside a structured value, as `pulumi config set --secret --path` makes it. */
export class NestedSecret {
  constructor(readonly text: string) {}
}

interface Project {
  readonly name: string;
  readonly config?: Record<string, unknown>;
}

/** Reads a Pulumi.yaml. @throws if it has no name */
export function readProject(file: string): Project {
  const project: unknown = parse(readFileSync(file, "utf8"));
  if (!isObject(project) || typeof project.name !== "string") {
    throw new Error(`${file}: expected a Pulumi project with a name`);
  }
  return project as unknown as Project;
}

/**
 * Writes the stack's settings file. An existing salt is kept, because the state is encrypted with
 * it.
 */
export function writeStackSettings(
  folder: string,
  stack: string,
  project: Project,
  config: Readonly<Record<string, ConfigValue>>,
  passphrase: string,
): void {
  const file = join(folder, `Pulumi.${stack}.yaml`);
  const crypter = crypterFor(file, passphrase);
  const entries = Object.entries(config).map(([name, value]) => {
    const key = name.includes(":") ? name : `${project.name}:${name}`;
    return [key, encode(value, schemaType(project, name), crypter)] as const;
  });
  const settings = { encryptionsalt: crypter.salt, config: Object.fromEntries(entries) };
  writeFileSync(file, stringify(settings), { mode: 0o600 });
}

/** Texts of the configuration that must not appear in messages. */
export function secretTexts(config: Readonly<Record<string, ConfigValue>>): string[] {
  const texts = Object.values(config).flatMap((entry) => {
    if (!isObject(entry)) return [];
    return entry.secret === true ? leaves(entry.value) : nestedSecrets(entry.value);
  });
  return texts.filter((text) => text.length >= 6);
}

function crypterFor(file: string, passphrase: string): Crypter {
  if (existsSync(file)) {
    const settings: unknown = parse(readFileSync(file, "utf8"));
    if (isObject(settings) && typeof settings.encryptionsalt === "string") {
      return Crypter.open(passphrase, settings.encryptionsalt);
    }
  }
  return Crypter.create(passphrase);
}

/** Type of a key in the project's schema, e.g. "object"; undefined if it has none. */
function schemaType(project: Project, name: string): unknown {
  const short = name.startsWith(`${project.name}:`) ? name.slice(project.name.length + 1) : name;
  const entry = project.config?.[short] ?? project.config?.[`${project.name}:${short}`];
  return isObject(entry) ? entry.type : undefined;
}

function encode(entry: ConfigValue, type: unknown, crypter: Crypter): unknown {
  const { value, secret } = isObject(entry)
    ? (entry as { value: unknown; secret?: boolean })
    : { value: entry, secret: false };
  if (secret === true) {
    return { secure: crypter.encrypt(typeof value === "string" ? value : JSON.stringify(value)) };
  }
  const structured = type !== undefined && type !== "string" && typeof value === "string";
  return encodeNested(structured ? parseJson(value) : value, crypter);
}

function encodeNested(value: unknown, crypter: Crypter): unknown {
  if (value instanceof NestedSecret) return { secure: crypter.encrypt(value.text) };
  if (Array.isArray(value)) return value.map((item) => encodeNested(item, crypter));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, encodeNested(item, crypter)]),
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // the engine refuses it and names the expected type
    return text;
  }
}

function leaves(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (value instanceof NestedSecret) return [value.text];
  return isObject(value) || Array.isArray(value) ? Object.values(value).flatMap(leaves) : [];
}

function nestedSecrets(value: unknown): string[] {
  if (value instanceof NestedSecret) return [value.text];
  if (!isObject(value) && !Array.isArray(value)) return [];
  return Object.values(value).flatMap(nestedSecrets);
}
