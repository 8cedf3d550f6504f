/** Reads settings.json. The program writes it from typed data; what is checked here is what a hand can break. */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { renderHaproxyConfig } from "../haproxy/config";
import { DISCOVERY_MODES, type UpdaterSettings } from "./settings";

const STRINGS = [
  "namespace",
  "configMap",
  "configFile",
  "masterSocket",
  "lastGoodFile",
  "seedDir",
  "tokenFile",
  "apiCaFile",
  "apiServerName",
  "localAddress",
] as const;

/**
 * The settings, with `${NAME}` in localAddress replaced from the environment.
 * @throws Error that names the file and the field.
 */
export function loadSettings(
  file: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): UpdaterSettings {
  let settings: UpdaterSettings;
  try {
    settings = JSON.parse(readFileSync(file, "utf8")) as UpdaterSettings;
  } catch (error) {
    throw new Error(`${file}: cannot be read as JSON: ${String(error)}`, { cause: error });
  }
  for (const field of STRINGS) {
    const value: unknown = settings[field];
    if (typeof value !== "string" || value === "") {
      throw new Error(`${file}: ${field}: got ${JSON.stringify(value)}, expected a text`);
    }
  }
  for (const field of ["apiPort", "drainSeconds", "retainSeconds"] as const) {
    const value: unknown = settings[field];
    if (!Number.isInteger(value) || (value as number) < 0) {
      throw new Error(`${file}: ${field}: got ${JSON.stringify(value)}, expected a whole number`);
    }
  }
  if (!DISCOVERY_MODES.includes(settings.discovery)) {
    const got = JSON.stringify(settings.discovery);
    throw new Error(`${file}: discovery: got ${got}, expected ${DISCOVERY_MODES.join(", ")}`);
  }
  const localAddress = settings.localAddress.replace(
    /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g,
    (_, name: string) => environment[name] ?? "",
  );
  if (isIP(localAddress) === 0) {
    throw new Error(
      `${file}: localAddress: ${settings.localAddress} gives "${localAddress}", expected an IP address`,
    );
  }
  if (typeof settings.haproxy?.updaterSocket !== "string") {
    throw new Error(`${file}: haproxy.updaterSocket: missing, expected the path of a socket`);
  }
  try {
    renderHaproxyConfig(settings.haproxy, []);
  } catch (error) {
    throw new Error(`${file}: ${String(error)}`, { cause: error });
  }
  return { ...settings, localAddress };
}
