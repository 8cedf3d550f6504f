/** The ServiceAccount's token: read again each time, as it is rotated while running. */
import { readFileSync } from "node:fs";

/** @throws Error without the token's text. */
export function readToken(file: string): string {
  const token = readFileSync(file, "utf8").trim();
  if (!/^[A-Za-z0-9._~+/=-]+$/.test(token)) throw new Error(`${file} holds no token`);
  return token;
}
