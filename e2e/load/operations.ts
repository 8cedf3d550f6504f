import type { Agent } from "node:https";
import { RequestError, statusError } from "./failure";
import { sendRequest, type ApiResponse, type Identity } from "./request";
import type { Target } from "./types";

/** Name of the ConfigMap that the load reads and writes. */
export const LOAD_CONFIG_MAP = "control-plane-load";

const OK: readonly number[] = [200];

/** The fields of a ConfigMap that the load reads. */
export interface LoadObject {
  readonly kind?: string;
  readonly metadata?: { readonly name?: string; readonly resourceVersion?: string };
  readonly data?: { readonly sequence?: string };
}

/** How one request reaches the API. */
export interface Connection {
  readonly identity: Identity;
  readonly target: Target;
  /** Name to verify the server's certificate by. @default the target's host */
  readonly verifyAs?: string;
  readonly agent: Agent | false;
  readonly deadlineMs: number;
}

/** A version of the load's ConfigMap. */
export interface Version {
  readonly sequence: number;
  readonly revision: number;
}

/** Anonymous GET /version: the only request that needs no credentials. */
export async function getVersion(connection: Connection): Promise<void> {
  const { gitVersion } = parseBody<{ gitVersion?: string }>(await get(connection, "/version"));
  if (gitVersion === undefined) throw new RequestError("body", "/version has no gitVersion");
}

/** The requests on the load's own ConfigMap; each checks that the response is the right one. */
export class Operations {
  private readonly folder: string;
  private sequence = 0;
  private revision = 0;

  constructor(private readonly namespace: string) {
    this.folder = `/api/v1/namespaces/${namespace}/configmaps`;
  }

  /** Path of a watch that begins after a revision; the server would end it after an hour. */
  watchPath(revision: number): string {
    const query = new URLSearchParams({
      watch: "true",
      fieldSelector: `metadata.name=${LOAD_CONFIG_MAP}`,
      resourceVersion: String(revision),
      timeoutSeconds: "3600",
    });
    return `${this.folder}?${query.toString()}`;
  }

  /** Creates the ConfigMap unless it exists. */
  async create(connection: Connection): Promise<void> {
    const object = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: LOAD_CONFIG_MAP, namespace: this.namespace },
      data: { sequence: "0" },
    };
    const body = { type: "application/json", text: JSON.stringify(object) };
    const response = await sendRequest({
      ...requestOptions(connection),
      method: "POST",
      path: this.folder,
      body,
    });
    if (response.status !== 409) expectStatus(response, [201]);
  }

  /** Removes the ConfigMap. */
  async remove(connection: Connection): Promise<void> {
    const path = `${this.folder}/${LOAD_CONFIG_MAP}`;
    expectStatus(
      await sendRequest({ ...requestOptions(connection), method: "DELETE", path }),
      [200, 404],
    );
  }

  /** GET through etcd: must return every write acknowledged before it began. */
  async get(connection: Connection): Promise<Version> {
    const atLeast = this.revision;
    const object = parseBody<LoadObject>(
      await get(connection, `${this.folder}/${LOAD_CONFIG_MAP}`),
    );
    return checkObject(object, atLeast);
  }

  /** LIST of the namespace, consistent (no resourceVersion). */
  async list(connection: Connection): Promise<Version> {
    const atLeast = this.revision;
    const list = parseBody<{ kind?: string; items?: LoadObject[] }>(
      await get(connection, this.folder),
    );
    const own = list.items?.find((item) => item.metadata?.name === LOAD_CONFIG_MAP);
    if (list.kind !== "ConfigMapList" || own === undefined) {
      throw new RequestError("body", `the LIST (${list.kind}) lacks ${LOAD_CONFIG_MAP}`);
    }
    // items of a list have no kind of their own
    return checkObject({ ...own, kind: "ConfigMap" }, atLeast);
  }

  /** PATCH with a number that was never used before. */
  async patch(connection: Connection): Promise<Version> {
    const sequence = (this.sequence += 1);
    const response = await sendRequest({
      ...requestOptions(connection),
      method: "PATCH",
      path: `${this.folder}/${LOAD_CONFIG_MAP}`,
      body: {
        type: "application/merge-patch+json",
        text: JSON.stringify({ data: { sequence: String(sequence) } }),
      },
    });
    expectStatus(response, OK);
    const version = checkObject(parseBody<LoadObject>(response), 0);
    if (version.sequence !== sequence) {
      throw new RequestError("body", `PATCH of ${sequence} returned ${version.sequence}`);
    }
    this.revision = Math.max(this.revision, version.revision);
    return version;
  }
}

/** Reads the load's ConfigMap from a response or an event. @throws RequestError "body" */
export function checkObject(object: LoadObject, atLeast: number): Version {
  const { kind, metadata, data } = object;
  const sequence = Number(data?.sequence);
  const revision = Number(metadata?.resourceVersion);
  if (kind !== "ConfigMap" || metadata?.name !== LOAD_CONFIG_MAP) {
    throw new RequestError("body", `got ${kind} ${metadata?.name}, expected ${LOAD_CONFIG_MAP}`);
  }
  if (!Number.isSafeInteger(sequence) || !Number.isSafeInteger(revision)) {
    throw new RequestError("body", `${LOAD_CONFIG_MAP} has no sequence or no resourceVersion`);
  }
  if (revision < atLeast) {
    throw new RequestError(
      "body",
      `stale: revision ${revision}, ${atLeast} was acknowledged before`,
    );
  }
  return { sequence, revision };
}

async function get(connection: Connection, path: string): Promise<ApiResponse> {
  const response = await sendRequest({ ...requestOptions(connection), method: "GET", path });
  expectStatus(response, OK);
  return response;
}

function requestOptions(connection: Connection) {
  return {
    options: connection.identity.options(connection.target, connection.verifyAs),
    agent: connection.agent,
    deadlineMs: connection.deadlineMs,
  };
}

function expectStatus(response: ApiResponse, expected: readonly number[]): void {
  if (!expected.includes(response.status))
    throw statusError(response.status, expected, response.body);
}

function parseBody<T>(response: ApiResponse): T {
  try {
    return JSON.parse(response.body) as T;
  } catch (cause) {
    const start = response.body.slice(0, 80);
    throw new RequestError("body", `the response is not JSON: ${start}`, { cause });
  }
}
