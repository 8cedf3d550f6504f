import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { parse, stringify } from "yaml";
import type { Environment } from "./ssh-targets";
import { looksSecret, type ValidationError } from "./validation";

/** Fields that name a file, and those that hold its content instead. */
const FILES = ["certificate-authority", "client-certificate", "client-key"] as const;

type Fields = Record<string, unknown>;

/**
 * The text of a kubeconfig that is given as its text or as a path. Of a file, the certificates and
 * keys that it names by path are in the text, so that it means the same in another folder. SECRET
 *
 * @param errors gets an error when a file cannot be read; the value itself is returned then
 */
export function readKubeconfig(
  value: string,
  errors: ValidationError[],
  environment: Environment,
): string {
  if (typeof parsed(value) === "object") return value;
  if (looksSecret(value)) return value;
  const refuse = (what: string) => errors.push({ path: "kubeconfig", message: what });
  const read = (file: string, what: string): string | undefined => {
    try {
      return environment.readFile(file);
    } catch (error) {
      // the message would show the value
      refuse(`${what} (${(error as NodeJS.ErrnoException).code ?? "error"})`);
      return undefined;
    }
  };
  const text = read(value, "neither the text of a kubeconfig nor the path of one that can be read");
  return text === undefined ? value : withContents(text, dirname(value), read);
}

/** Reads a file; undefined: it cannot be read, and the error is noted with these words. */
type Read = (file: string, what: string) => string | undefined;

function parsed(text: string): unknown {
  try {
    return parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function withContents(text: string, folder: string, read: Read): string {
  const config = parsed(text);
  // what is no kubeconfig is refused where its CA is needed
  if (typeof config !== "object" || config === null) return text;
  for (const stanza of stanzas(config as Fields)) {
    for (const name of FILES) {
      const file = stanza[name];
      if (typeof file !== "string" || stanza[`${name}-data`] !== undefined) continue;
      const place = isAbsolute(file) ? file : join(folder, file);
      const content = read(place, `names a file as ${name} that cannot be read`);
      if (content === undefined) continue;
      stanza[`${name}-data`] = Buffer.from(content).toString("base64");
      Reflect.deleteProperty(stanza, name);
    }
    const { tokenFile } = stanza;
    if (typeof tokenFile === "string" && !isAbsolute(tokenFile)) {
      stanza["tokenFile"] = join(folder.replace(/^~(?=\/|$)/, homedir()), tokenFile);
    }
  }
  return stringify(config, { lineWidth: 0 });
}

/** All clusters and users. */
function stanzas(config: Fields): Fields[] {
  const of = (list: string, key: string) =>
    (Array.isArray(config[list]) ? (config[list] as unknown[]) : [])
      .map((entry) => (entry as Fields | null)?.[key])
      .filter((stanza): stanza is Fields => typeof stanza === "object" && stanza !== null);
  return [...of("clusters", "cluster"), ...of("users", "user")];
}
