import { readFileSync } from "node:fs";
import { join } from "node:path";
import { quote } from "../shell";

/** Parts of the scripts: each a file of sh functions under `sh/`. */
export type Part =
  | "common"
  | "unit"
  | "etcd"
  | "partial-reset"
  | "init"
  | "ca"
  | "join"
  | "bootstrap"
  | "leave"
  | "join-credentials"
  | "kubeconfig";

/** The text of these parts, in this order. */
export function library(...parts: readonly Part[]): string {
  return parts.map((part) => readFileSync(join(__dirname, "sh", `${part}.sh`), "utf8")).join("\n");
}

/** Assignments of shell variables, one line each. */
export function variables(values: Readonly<Record<string, string | number | boolean>>): string {
  return Object.entries(values)
    .map(([name, value]) => {
      const text = typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
      return `${name}=${quote(text)}\n`;
    })
    .join("");
}

/** A shell function that prints this text, byte for byte. */
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
