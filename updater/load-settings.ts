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

const NUMBERS = ["apiPort", "drainSeconds", "retainSeconds"] as const;
const OPTIONAL_STRINGS = ["tokenVariable", "reloadRequestFile"] as const;
const OPTIONAL_NUMBERS = ["prepareWaitSeconds"] as const;

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
  if (typeof settings !== "object" || settings === null) {
    throw new Error(`${file}: got ${JSON.stringify(settings)}, expected an object`);
  }
  const isSet = (field: keyof UpdaterSettings): boolean => settings[field] !== undefined;
  const refuse = (field: keyof UpdaterSettings, expected: string): never => {
    const got = JSON.stringify(settings[field]);
    throw new Error(`${file}: ${field}: got ${got}, expected ${expected}`);
  };
  for (const field of [...STRINGS, ...OPTIONAL_STRINGS.filter(isSet)]) {
    const value: unknown = settings[field];
    if (typeof value !== "string" || value === "") refuse(field, "a text");
  }
  for (const field of [...NUMBERS, ...OPTIONAL_NUMBERS.filter(isSet)]) {
    const value: unknown = settings[field];
    if (!Number.isInteger(value) || (value as number) < 0) refuse(field, "a whole number");
  }
  if (isSet("checkCommand") && !isCommand(settings.checkCommand)) {
    refuse("checkCommand", 'a list such as ["haproxy", "-c", "-f"]');
  }
  if (!DISCOVERY_MODES.includes(settings.discovery)) {
    refuse("discovery", DISCOVERY_MODES.join(", "));
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

function isCommand(value: unknown): boolean {
  return (
    Array.isArray(value) && value.length > 0 && value.every((word) => typeof word === "string")
  );
}
