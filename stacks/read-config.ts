import { TEXT_KEYS } from "./schema";
import { readSettings, type Settings } from "./settings";
import type { Environment } from "./ssh-targets";

/**
 * Reads the settings out of a stack's configuration as Pulumi hands it over: `PROJECT:KEY` with a
 * text, or JSON for objects and lists.
 *
 * @throws ConfigurationError with every error
 */
export function settingsFromConfig(
  config: Readonly<Record<string, string>>,
  project: string,
  environment?: Environment,
): Settings {
  const prefix = `${project}:`;
  const values = new Map<string, unknown>();
  for (const [full, text] of Object.entries(config)) {
    if (!full.startsWith(prefix)) continue;
    const key = full.slice(prefix.length);
    values.set(key, TEXT_KEYS.has(key) ? text : parse(text));
  }
  return readSettings((key) => values.get(key), [...values.keys()], environment);
}

/** JSON, or the text itself, which the schema then refuses with what it expected. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
