import assert from "node:assert/strict";
import type { Recording } from "../../../pulumi-test-utils/src/index";

/** Names of all resources that come before this one: its dependencies, its provider, and theirs. */
export function ancestors(recording: Recording<unknown>, name: string): Set<string> {
  const found = new Set<string>();
  const queue = recording.resources.filter((resource) => resource.name === name);
  assert.ok(queue.length > 0, `no resource ${name}`);
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const provider = recording.resources.find(({ urn }) => next?.provider?.startsWith(`${urn}::`));
    const all = [...recording.dependencies(next), ...(provider ? [provider.name] : [])];
    for (const before of all) {
      if (found.has(before)) continue;
      found.add(before);
      queue.push(...recording.resources.filter((resource) => resource.name === before));
    }
  }
  return found;
}

/** Asserts that each resource comes after the one before it in the list. */
export function assertOrder(recording: Recording<unknown>, names: readonly string[]): void {
  names.slice(1).forEach((name, index) => {
    const before = names[index] ?? "";
    assert.ok(ancestors(recording, name).has(before), `${before} before ${name}`);
  });
}

/** Asserts that all of these come before the resource. */
export function assertBefore(
  recording: Recording<unknown>,
  name: string,
  earlier: readonly string[],
): void {
  const before = ancestors(recording, name);
  for (const each of earlier) assert.ok(before.has(each), `${each} before ${name}`);
}
