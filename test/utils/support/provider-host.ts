import type { ChangeCall, Host } from "../../../pulumi-test-utils/src/plugins/protocol/provider";

/** A host that records the log of a provider. */
export function testHost(cancelled = new AbortController().signal): Host & { lines: string[] } {
  const lines: string[] = [];
  return { lines, cancelled, log: (_level, _urn, text) => void lines.push(text) };
}

/** Common part of calls about a resource. */
export function call(type: string, name: string, more: Partial<ChangeCall> = {}): ChangeCall {
  const urn = `urn:pulumi:test::project::${type}::${name}`;
  return { urn, name, type, preview: false, timeoutSeconds: 0, ...more };
}
