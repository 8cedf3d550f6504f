import type { Topology } from "../../stacks/schema";

/** @throws Error when the text is no topology */
export function topologyOption(text: string): Topology {
  if (text !== "daemonset" && text !== "external") {
    throw new Error(`--topology: got "${text}", expected daemonset or external`);
  }
  return text;
}

/** @throws Error when the text is no whole number from 1 to 999,999 */
export function wholeNumberOption(option: string, text: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(text)) {
    throw new Error(`--${option}: got "${text}", expected a whole number above 0`);
  }
  return Number(text);
}
