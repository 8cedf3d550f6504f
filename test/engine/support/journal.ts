/** What the specs on the real engine assert of its work. */
import assert from "node:assert/strict";
import { certificates } from "../../support/certificates";
import type { Step } from "../../../pulumi-test-utils/src/index";

/** Certificate of a cluster's CA. */
export const CA = certificates().ca;

/** All objects in the cluster with topology daemonset. */
export const DAEMONSET_OBJECTS = [
  "configmaps/control-plane-lb-updater",
  "configmaps/haproxy-backends",
  "daemonsets/control-plane-lb",
  "rolebindings/control-plane-lb",
  "roles/control-plane-lb",
  "serviceaccounts/control-plane-lb",
];

/** All objects in the cluster with topology external. */
export const EXTERNAL_OBJECTS = [
  "configmaps/haproxy-backends",
  "rolebindings/control-plane-lb",
  "roles/control-plane-lb",
  "secrets/control-plane-lb-token-1",
  "serviceaccounts/control-plane-lb",
];

/** Asserts that the journal holds all these lines, in this order. */
export function inOrder(journal: readonly string[], ...lines: readonly string[]): void {
  const places = lines.map((line) => journal.indexOf(line));
  assert.ok(
    places.every((place, index) => place >= 0 && place >= (places[index - 1] ?? 0)),
    `${lines.join("\n")}\n  in\n${journal.join("\n")}`,
  );
}

/** What an operation changed, as `OP NAME`, sorted; without components and the stack. */
export function changesOf(steps: readonly Step[]): string[] {
  return steps
    .filter(({ op, type }) => op !== "same" && !/^(control-plane-lb:|pulumi:pulumi:)/.test(type))
    .map(({ op, name }) => `${op} ${name}`)
    .sort();
}
