import { equal, isObject, pathKey, plain, secretValue, UNKNOWN, type Properties } from "../../wire";
import type { CheckFailure, PropertyChange } from "../protocol/provider";

const ENDPOINT_DEFAULTS = { user: "root", port: 22, dialErrorLimit: 10, perDialTimeout: 15 };

const ENDPOINT_FIELDS = [
  "host",
  "user",
  "port",
  "password",
  "privateKey",
  "privateKeyPassword",
  "agentSocketPath",
  "dialErrorLimit",
  "perDialTimeout",
  "hostKey",
];

const COMMON = ["create", "update", "delete", "triggers", "stdin", "logging", "environment"];
const FIELDS: Record<string, readonly string[]> = {
  "command:remote:Command": [...COMMON, "connection", "addPreviousOutputInEnv"],
  "command:local:Command": [...COMMON, "interpreter", "dir", "addPreviousOutputInEnv"],
};

/** Checks the inputs of a Command, fills in the defaults and marks the connection as secret. */
export function checkInputs(
  type: string,
  news: Properties,
): { inputs: Properties; failures: CheckFailure[] } {
  const known = FIELDS[type];
  if (known === undefined) {
    throw new Error(
      `stand-in of the command provider: ${type} is not there; use the real provider for it`,
    );
  }
  const failures = Object.keys(news)
    .filter((key) => !known.includes(key))
    .map((property) => ({ property, reason: `an unexpected argument "${property}" was provided` }));
  if (type !== "command:remote:Command") return { inputs: news, failures };
  const connection = plain(news.connection);
  if (connection === undefined) {
    failures.push({ property: "connection", reason: "missing required field 'connection'" });
    return { inputs: news, failures };
  }
  if (!isObject(connection)) return { inputs: news, failures };
  failures.push(...endpointFailures("connection", connection, [...ENDPOINT_FIELDS, "proxy"]));
  const filled: Properties = { ...ENDPOINT_DEFAULTS, ...connection };
  if (isObject(connection.proxy)) {
    failures.push(...endpointFailures("connection.proxy", connection.proxy, ENDPOINT_FIELDS));
    filled.proxy = { ...ENDPOINT_DEFAULTS, ...connection.proxy };
  }
  return { inputs: { ...news, connection: secretValue(filled) }, failures };
}

function endpointFailures(path: string, endpoint: Properties, known: string[]): CheckFailure[] {
  const unexpected = Object.keys(endpoint).filter((key) => !known.includes(key));
  return [
    ...(endpoint.host === undefined
      ? [{ property: `${path}.host`, reason: "missing required field 'host'" }]
      : []),
    ...unexpected.map((key) => ({
      property: `${path}.${key}`,
      reason: `an unexpected argument "${key}" was provided`,
    })),
  ];
}

/** Changes between two sets of inputs, by property path. */
export function diffInputs(olds: Properties, news: Properties): Record<string, PropertyChange> {
  const changes: Record<string, PropertyChange> = {};
  compare("", plain(olds), plain(news), changes);
  return changes;
}

function compare(
  path: string,
  before: unknown,
  after: unknown,
  changes: Record<string, PropertyChange>,
): void {
  if (equal(before, after)) return;
  if (isObject(before) && isObject(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      compare(pathKey(path, key), before[key], after[key], changes);
    }
  } else if (Array.isArray(before) && Array.isArray(after)) {
    for (let index = 0; index < Math.max(before.length, after.length); index += 1) {
      compare(`${path}[${index}]`, before[index], after[index], changes);
    }
  } else {
    const kind = before === undefined ? "add" : after === undefined ? "delete" : "update";
    // a changed element of triggers replaces too: the engine applies the SDK's replaceOnChanges
    changes[path] = { kind, replace: path === "triggers", inputDiff: true };
  }
}

/** Whether a former input changed or is unknown, so that the outputs may change. */
export function outputsUnknown(olds: Properties, news: Properties): boolean {
  return Object.keys(olds).some((key) => {
    const after = plain(news[key]);
    return !equal(plain(olds[key]), after) || JSON.stringify(after ?? null).includes(UNKNOWN);
  });
}
