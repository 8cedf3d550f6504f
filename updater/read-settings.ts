/** Reads settings.json, which the program writes from typed data, and validates edits by hand. */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { renderHaproxyConfig } from "../haproxy/config";
import { UPDATER_FIELDS, type UpdaterSettings } from "./settings";

/**
 * The settings, with `${NAME}` in localAddress replaced from the environment.
 * @throws Error that names the file and the field
 */
export function readSettings(
  file: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): UpdaterSettings {
  const settings = readObject(file);
  for (const [field, { expected, isValid }] of Object.entries(UPDATER_FIELDS)) {
    const value = settings[field as keyof UpdaterSettings];
    if (isValid(value)) continue;
    throw new Error(`${file}: ${field}: got ${JSON.stringify(value)}, expected ${expected}`);
  }
  try {
    renderHaproxyConfig(settings.haproxy, []);
  } catch (error) {
    throw new Error(`${file}: ${String(error)}`, { cause: error });
  }
  const localAddress = settings.localAddress.replace(
    /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g,
    (_, name: string) => environment[name] ?? "",
  );
  if (isIP(localAddress) === 0) {
    throw new Error(
      `${file}: localAddress: ${settings.localAddress} gives "${localAddress}", ` +
        "expected an IP address",
    );
  }
  return { ...settings, localAddress };
}

function readObject(file: string): UpdaterSettings {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new Error(`${file}: cannot be read as JSON: ${String(error)}`, { cause: error });
  }
  if (typeof content !== "object" || content === null) {
    throw new Error(`${file}: got ${JSON.stringify(content)}, expected an object`);
  }
  return content as UpdaterSettings;
}
