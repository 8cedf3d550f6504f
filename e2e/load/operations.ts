import type { Agent } from "node:https";
import { RequestError, statusError } from "./failure";
import { ask, type Answer, type Identity } from "./request";
import type { Endpoint } from "./types";

/** Name of the ConfigMap that the load reads and writes. */
export const LOAD_CONFIG_MAP = "control-plane-load";

const OK: readonly number[] = [200];

/** The part of a ConfigMap that the load looks at. */
export interface LoadObject {
  readonly kind?: string;
  readonly metadata?: { readonly name?: string; readonly resourceVersion?: string };
  readonly data?: { readonly sequence?: string };
}

/** How to reach the API in one request. */
export interface Way {
  readonly identity: Identity;
  readonly target: Endpoint;
  /** Name to verify the server's certificate by. @default the target's host */
  readonly verifyAs?: string;
  readonly agent: Agent | false;
  readonly deadlineMs: number;
}

/** A write that the API server acknowledged. */
export interface Written {
  readonly sequence: number;
  readonly revision: number;
}

/** Anonymous GET /version: all that can be asked before there are credentials. */
export async function version(way: Way): Promise<void> {
  const { gitVersion } = parseBody<{ gitVersion?: string }>(await get(way, "/version"));
  if (gitVersion === undefined) throw new RequestError("body", "/version has no gitVersion");
}

/** The requests on the load's own ConfigMap; each checks that the answer is the one asked for. */
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

  /** Makes the ConfigMap; one that is there already is fine. */
  async create(way: Way): Promise<void> {
    const object = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: LOAD_CONFIG_MAP, namespace: this.namespace },
      data: { sequence: "0" },
    };
    const body = { type: "application/json", text: JSON.stringify(object) };
    const answer = await ask({
      ...how(way),
      method: "POST",
      path: this.folder,
      body,
    });
    if (answer.status !== 409) expectStatus(answer, [201]);
  }

  /** Removes the ConfigMap. */
  async remove(way: Way): Promise<void> {
    const path = `${this.folder}/${LOAD_CONFIG_MAP}`;
    expectStatus(await ask({ ...how(way), method: "DELETE", path }), [200, 404]);
  }

  /** GET through etcd: must show every write that was acknowledged before it began. */
  async get(way: Way): Promise<Written> {
    const atLeast = this.revision;
    const object = parseBody<LoadObject>(await get(way, `${this.folder}/${LOAD_CONFIG_MAP}`));
    return checkObject(object, atLeast);
  }

  /** LIST of the namespace, consistent (no resourceVersion). */
  async list(way: Way): Promise<Written> {
    const atLeast = this.revision;
    const list = parseBody<{ kind?: string; items?: LoadObject[] }>(await get(way, this.folder));
    const own = list.items?.find((item) => item.metadata?.name === LOAD_CONFIG_MAP);
    if (list.kind !== "ConfigMapList" || own === undefined) {
      throw new RequestError("body", `the LIST (${list.kind}) lacks ${LOAD_CONFIG_MAP}`);
    }
    // items of a list have no kind of their own
    return checkObject({ ...own, kind: "ConfigMap" }, atLeast);
  }

  /** PATCH with a number never used before. */
  async patch(way: Way): Promise<Written> {
    const sequence = (this.sequence += 1);
    const answer = await ask({
      ...how(way),
      method: "PATCH",
      path: `${this.folder}/${LOAD_CONFIG_MAP}`,
      body: {
        type: "application/merge-patch+json",
        text: JSON.stringify({ data: { sequence: String(sequence) } }),
      },
    });
    expectStatus(answer, OK);
    const written = checkObject(parseBody<LoadObject>(answer), 0);
    if (written.sequence !== sequence) {
      throw new RequestError("body", `PATCH of ${sequence} answered with ${written.sequence}`);
    }
    this.revision = Math.max(this.revision, written.revision);
    return written;
  }
}

/** Reads the load's ConfigMap out of an answer or an event. @throws RequestError "body" */
export function checkObject(object: LoadObject, atLeast: number): Written {
  const { kind, metadata, data } = object;
  const sequence = Number(data?.sequence);
  const revision = Number(metadata?.resourceVersion);
  if (kind !== "ConfigMap" || metadata?.name !== LOAD_CONFIG_MAP) {
    throw new RequestError("body", `got ${kind} ${metadata?.name}, asked for ${LOAD_CONFIG_MAP}`);
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

async function get(way: Way, path: string): Promise<Answer> {
  const answer = await ask({ ...how(way), method: "GET", path });
  expectStatus(answer, OK);
  return answer;
}

function how(way: Way) {
  return {
    options: way.identity.options(way.target, way.verifyAs),
    agent: way.agent,
    deadlineMs: way.deadlineMs,
  };
}

function expectStatus(answer: Answer, expected: readonly number[]): void {
  if (!expected.includes(answer.status)) throw statusError(answer.status, expected, answer.body);
}

function parseBody<T>(answer: Answer): T {
  try {
    return JSON.parse(answer.body) as T;
  } catch (cause) {
    const start = answer.body.slice(0, 80);
    throw new RequestError("body", `the answer is not JSON: ${start}`, { cause });
  }
}
