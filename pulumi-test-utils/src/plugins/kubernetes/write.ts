import { setTimeout as sleep } from "node:timers/promises";
import { isObject, type Properties } from "../../wire";
import { ApiError, isNotFound, NoMatchError, type Api } from "./api";
import { annotation, isAnnotated, withMetadata, type KubernetesObject } from "./object";
import { owns, takeOver } from "./owners";

/** Field manager of objects created by POST; the first update takes its fields over. */
const CREATE_MANAGER = "pulumi-kubernetes";

/** Sleeps before the next attempt while a namespace or a kind is missing, in milliseconds. */
const CREATE_SLEEPS_MS = [1000, 2000, 4000, 8000, 16_000];

const HELP =
  "https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/" +
  "managing-resources-with-server-side-apply/#handle-field-conflicts-on-existing-resources";

/** Settings of a write. */
export interface WriteOptions {
  readonly fieldManager: string;
  readonly preview: boolean;
  readonly enablePatchForce: boolean;
  readonly signal: AbortSignal;
}

/** In a preview, a missing namespace is no error. */
export class NamespaceMissing extends Error {}

/**
 * Creates an object.
 *
 * @param apply true: apply, which adopts an existing object; false: POST, which fails on one
 */
export async function create(
  api: Api,
  object: KubernetesObject,
  apply: boolean,
  options: WriteOptions,
  status: (line: string) => void,
): Promise<KubernetesObject> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return apply
        ? await applyPatch(api, object, patchForce(object, undefined, options), options)
        : await post(api, object, options);
    } catch (error) {
      const { preview, signal } = options;
      const pause = CREATE_SLEEPS_MS[attempt];
      if (preview && isNotFound(error) && (error as ApiError).details.kind === "namespaces") {
        throw new NamespaceMissing((error as Error).message);
      }
      const comesLater = isNotFound(error) || error instanceof NoMatchError;
      if (!comesLater || pause === undefined || signal.aborted) throw error;
      status(`Retry #${attempt}; creation failed: ${(error as Error).message}`);
      await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
  }
}

async function post(
  api: Api,
  object: KubernetesObject,
  { preview, signal }: WriteOptions,
): Promise<KubernetesObject> {
  const query = { fieldManager: CREATE_MANAGER, dryRun: preview ? "All" : undefined };
  const path = await api.path(object, undefined);
  try {
    return await api.request("POST", path, { query, body: object, signal });
  } catch (error) {
    if (error instanceof ApiError && error.reason === "AlreadyExists") {
      const hint =
        "The resource already exists in the cluster. `pulumi import` it, or set upsertExistingObjects on the provider.";
      throw new ApiError(`${error.message}\n\n${hint}`, error.code, error.reason, error.details);
    }
    throw error;
  }
}

/**
 * Updates an object.
 *
 * @throws if it is gone, or if another manager owns a field with another value
 */
export async function update(
  api: Api,
  /** The last known object, for its name. */
  last: KubernetesObject,
  object: KubernetesObject,
  isPatch: boolean,
  ignoreChanges: readonly string[],
  options: WriteOptions,
): Promise<KubernetesObject> {
  const { signal, preview, fieldManager } = options;
  const path = await api.path(object, last.metadata?.name);
  let live: KubernetesObject = await api.request("GET", path, { signal });
  if (object.kind === "CustomResourceDefinition") {
    const body = withMetadata(object, { resourceVersion: live.metadata?.resourceVersion });
    const query = { fieldManager, dryRun: preview ? "All" : undefined };
    return api.request("PUT", path, { query, body, signal });
  }
  const managed = takeOver(live.metadata?.managedFields ?? [], fieldManager);
  if (!isPatch && !preview && managed !== undefined) {
    live = await api.request("PATCH", path, {
      contentType: "application/json-patch+json",
      body: [
        { op: "replace", path: "/metadata/managedFields", value: managed },
        {
          op: "replace",
          path: "/metadata/resourceVersion",
          value: live.metadata?.resourceVersion,
        },
      ],
      signal,
    });
  }
  const body = withoutIgnored(object, live, ignoreChanges, fieldManager);
  return applyPatch(api, body, patchForce(object, live, options), options);
}

/** Releases all fields of a manager; fields without another owner are removed. */
export async function relinquish(
  api: Api,
  { apiVersion, kind, metadata }: KubernetesObject,
  fieldManager: string,
  signal: AbortSignal,
): Promise<void> {
  const { name, namespace } = metadata ?? {};
  const object: KubernetesObject = { apiVersion, kind, metadata: { name, namespace } };
  await api.request("PATCH", await api.path(object, name), {
    query: { fieldManager },
    contentType: "application/apply-patch+yaml",
    body: object,
    signal,
  });
}

async function applyPatch(
  api: Api,
  object: KubernetesObject,
  force: boolean,
  { fieldManager, preview, signal }: WriteOptions,
): Promise<KubernetesObject> {
  try {
    return await api.request("PATCH", await api.path(object, object.metadata?.name), {
      query: { fieldManager, force: String(force), dryRun: preview ? "All" : undefined },
      contentType: "application/apply-patch+yaml",
      body: object,
      signal,
    });
  } catch (error) {
    if (!(error instanceof ApiError) || error.reason !== "Conflict") throw error;
    const text =
      `server-side apply field conflict detected, see ${HELP} for troubleshooting help\n` +
      `The resource managed by field manager "${fieldManager}" had an apply conflict: ${error.message}`;
    throw new ApiError(text, error.code, error.reason, error.details);
  }
}

function patchForce(
  inputs: KubernetesObject,
  live: KubernetesObject | undefined,
  { enablePatchForce, preview }: WriteOptions,
): boolean {
  if (isAnnotated(inputs, "patchForce") || enablePatchForce) return true;
  const managed = live?.metadata?.managedFields ?? [];
  if (preview) {
    if (live === undefined) return true;
    // in a preview the fields of our own POST still have their manager, which is no conflict
    const own = ["pulumi-resource-kubernetes", "pulumi-kubernetes", "pulumi-kubernetes.exe"];
    if (managed.some((m) => m.operation === "Update" && own.includes(m.manager ?? ""))) return true;
  }
  return live !== undefined && managed.length === 0;
}

/** An ignored field is sent as it is in the cluster, or not at all if only others own it. */
function withoutIgnored(
  object: KubernetesObject,
  live: KubernetesObject,
  ignoreChanges: readonly string[],
  fieldManager: string,
): KubernetesObject {
  const managed = live.metadata?.managedFields ?? [];
  const ours = managed.filter(({ manager }) => manager === fieldManager);
  const theirs = managed.filter(({ manager }) => manager !== fieldManager);
  let result: Properties = object;
  for (const ignored of ignoreChanges) {
    const path = ignored.split(".");
    if (owns(theirs, path) && !owns(ours, path)) result = replaceAt(result, path, undefined);
    else {
      const value = path.reduce<unknown>(
        (node, key) => (isObject(node) ? node[key] : undefined),
        live,
      );
      if (value !== undefined) result = replaceAt(result, path, value);
    }
  }
  return result;
}

function replaceAt(object: Properties, path: readonly string[], value: unknown): Properties {
  const [key, ...rest] = path;
  if (key === undefined) return object;
  const { [key]: before, ...others } = object;
  if (rest.length === 0) return value === undefined ? others : { ...others, [key]: value };
  if (!isObject(before) && value === undefined) return object;
  return { ...others, [key]: replaceAt(isObject(before) ? before : {}, rest, value) };
}

/** Deletes an object and waits until it is gone. @throws at the deadline */
export async function remove(
  api: Api,
  inputs: KubernetesObject,
  live: KubernetesObject,
  name: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const policy = annotation(inputs, "deletionPropagationPolicy").toLowerCase();
  const propagationPolicy =
    policy === "orphan" ? "Orphan" : policy === "background" ? "Background" : "Foreground";
  try {
    const path = await api.path(live, name);
    await api.request("DELETE", path, { body: { propagationPolicy }, signal });
    if (isAnnotated(inputs, "skipAwait") && SKIPPABLE.has(inputs.kind ?? "")) return;
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const error = await api.request("GET", path, { signal }).then(
        () => undefined,
        (cause: unknown) => cause,
      );
      if (isNotFound(error)) return;
      signal.throwIfAborted();
      if (Date.now() >= deadline) {
        throw new Error(`timed out waiting for ${live.kind} "${name}" to be deleted`);
      }
      await sleep(DELETE_POLL_MS, undefined, { signal }).catch(() => undefined);
    }
  } catch (error) {
    if (!isNotFound(error) && !(error instanceof NoMatchError)) throw error;
  }
}

const DELETE_POLL_MS = 250;

const SKIPPABLE = new Set([
  "DaemonSet",
  "Deployment",
  "Job",
  "Namespace",
  "Pod",
  "ReplicationController",
  "StatefulSet",
]);
