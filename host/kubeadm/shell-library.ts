import { readFileSync } from "node:fs";
import { join } from "node:path";
import { quote } from "../shell";

/** Files of sh functions under `sh/`. */
export type ShellFile =
  | "paths"
  | "common"
  | "unit"
  | "etcd"
  | "partial-reset"
  | "init"
  | "ca"
  | "remove-ca"
  | "join"
  | "join-or-create"
  | "shared-keys"
  | "objects"
  | "bootstrap"
  | "leave"
  | "join-credentials"
  | "kubeconfig";

/** The text of these files, in this order. */
export function library(...names: readonly ShellFile[]): string {
  return names.map((name) => readFileSync(join(__dirname, "sh", `${name}.sh`), "utf8")).join("\n");
}

/** Assignments of shell variables, one line each; a boolean becomes `yes` or `no`. */
export function variables(values: Readonly<Record<string, string | number | boolean>>): string {
  return Object.entries(values)
    .map(([name, value]) => {
      const text = typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
      return `${name}=${quote(text)}\n`;
    })
    .join("");
}

/**
 * A shell function that prints this text, byte for byte; a last newline is added where it lacks
 * one.
 *
 * @throws when a line of the text is the end marker
 */
export function printer(name: string, text: string): string {
  if (text === "") {
    return `${name}() { :; }\n`;
  }
  const body = text.endsWith("\n") ? text : `${text}\n`;
  const marker = "END_OF_TEXT";
  if (body.split("\n").includes(marker)) {
    throw new Error(`${name}: the text holds a line ${marker}: leave that line out`);
  }
  return `${name}() {\n  cat <<'${marker}'\n${body}${marker}\n}\n`;
}
