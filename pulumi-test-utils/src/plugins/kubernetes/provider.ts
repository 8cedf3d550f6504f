import { randomBytes } from "node:crypto";
import { containsUnknown, plain, type Properties } from "../../wire";
import { InitFailed, type Host, type Provider } from "../protocol/provider";
import { ApiError, isNotFound, NoMatchError, type Api } from "./api";
import { checkObject, isAutonamed } from "./check";
import { checkpoint, readCheckpoint } from "./checkpoint";
import { diffConfig } from "./diff-config";
import {
  annotation,
  isAnnotated,
  isPatchType,
  isNamespacedBuiltIn,
  objectId,
  parseId,
  withMetadata,
  without,
  type KubernetesObject,
} from "./object";
import { conditionOf, NotReady, untilReady } from "./ready";
import { replacingPatchProperties, replacingProperties } from "./replace";
import { annotateSecrets } from "./secrets";
import { configure, type Settings } from "./settings";
import { changesOf, normalize, prune, secretAsStored } from "./shape";
import { create, NamespaceMissing, relinquish, remove, update } from "./write";

const DEFAULT_TIMEOUT_SECONDS = 600;
const UNREACHABLE = "configured Kubernetes cluster is unreachable";
const REMOVE_FROM_STATE =
  "If the cluster was deleted, you can remove this resource from Pulumi state by rerunning the operation " +
  'with the PULUMI_K8S_DELETE_UNREACHABLE environment variable set to "true"';

/** Stand-in of the kubernetes provider, with server-side apply. */
export function kubernetesProvider(host: Host): Provider {
  let settings: Settings;

  /** @throws if the cluster could not be reached when the provider was configured */
  const reachable = (): Api => {
    if (settings.api === undefined) throw new Error(`${UNREACHABLE}: ${settings.unreachable}`);
    return settings.api;
  };

  const isNamespaced = async (apiVersion: string, kind: string) =>
    (await settings.api?.isNamespaced(apiVersion, kind)) ??
    isNamespacedBuiltIn(apiVersion, kind) ??
    true;

  const writeOptions = (fieldManager: string, preview: boolean) => ({
    fieldManager,
    preview,
    enablePatchForce: settings.enablePatchForce,
    signal: host.cancelled,
  });

  const waitOptions = (urn: string, inputs: KubernetesObject, timeoutSeconds: number) => {
    const annotated = Number(annotation(inputs, "timeoutSeconds"));
    const seconds = timeoutSeconds || annotated || DEFAULT_TIMEOUT_SECONDS;
    const status = (line: string) => host.log("info", urn, line, true);
    return { inputs, timeoutMs: seconds * 1000, status, signal: host.cancelled };
  };

  return {
    async configure(variables) {
      settings = await configure(variables);
    },

    diffConfig,

    async check(call) {
      if (settings.api === undefined && settings.skipUpdateUnreachable) {
        const text = "Cluster is unreachable but skipUpdateUnreachable flag is set to true";
        host.log("warning", call.urn, `${text}, skipping...`, false);
        return { inputs: call.olds };
      }
      const { namespace } = settings;
      return { inputs: await checkObject(call, { namespace, isNamespaced }) };
    },

    async diff({ type, olds, news, ignoreChanges }) {
      const { inputs: oldInputs, live } = readCheckpoint(olds);
      const next = secretAsStored(normalize(plain(news) as KubernetesObject));
      const last = secretAsStored(normalize(oldInputs));
      let before = prune(live, last) as KubernetesObject;
      const { apiVersion = "", kind = "" } = next;
      const spaced = await isNamespaced(apiVersion, kind);
      const inNamespace = (object: KubernetesObject) =>
        withMetadata(object, {
          namespace: spaced ? object.metadata?.namespace || "default" : undefined,
        });
      before = withMetadata(
        { ...inNamespace(before), apiVersion, kind },
        {
          name: live.metadata?.name,
        },
      );
      const after = inNamespace(next);
      const force = isPatchType(type, kind)
        ? replacingPatchProperties()
        : replacingProperties(after, settings.mutable);
      const changes = Object.fromEntries(
        Object.entries(changesOf(before, after, force)).filter(
          ([path]) => !ignoreChanges.some((ignored) => isInside(path, ignored)),
        ),
      );
      const replaces = Object.values(changes).some(({ replace }) => replace);
      const sameIdentity =
        after.metadata?.name === live.metadata?.name &&
        after.metadata?.namespace === live.metadata?.namespace;
      const deleteBeforeReplace = replaces && !isAutonamed(after) && sameIdentity;
      return { changes, deleteBeforeReplace };
    },

    async create(call) {
      const { urn, type, properties, preview, timeoutSeconds } = call;
      const inputs = plain(properties) as KubernetesObject;
      const isPatch = isPatchType(type, inputs.kind ?? "");
      if (preview) {
        const possible =
          !isPatch && !containsUnknown(inputs) && (await settings.api?.serves(inputs));
        if (!possible) return { id: "", properties };
      }
      const api = reachable();
      const manager =
        annotation(inputs, "patchFieldManager") ||
        `pulumi-kubernetes-${randomBytes(4).toString("hex")}`;
      const state = (live: KubernetesObject) =>
        checkpoint(inputs, live, properties, manager, inputs.apiVersion ?? "");
      let made: KubernetesObject;
      try {
        const apply = isPatch || settings.upsertExistingObjects;
        const status = (line: string) => host.log("info", urn, line, true);
        made = await create(api, inputs, apply, writeOptions(manager, preview), status);
      } catch (error) {
        const onlyPreview =
          error instanceof NamespaceMissing ||
          (error instanceof ApiError && ["Forbidden", "AlreadyExists"].includes(error.reason));
        if (preview && onlyPreview) return { id: "", properties };
        throw createError(urn, error);
      }
      if (preview) {
        return { id: "", properties: state(without(made, "status")) };
      }
      try {
        const ready = await untilReady(api, made, waitOptions(urn, inputs, timeoutSeconds));
        return { id: objectId(ready), properties: state(ready) };
      } catch (error) {
        const live = error instanceof NotReady ? error.object : made;
        throw initFailed(
          `resource "${urn}" was successfully created, but the Kubernetes API server ` +
            "reported that it failed to fully initialize or become live",
          error,
          objectId(live),
          state(live),
        );
      }
    },

    async update(call) {
      const { urn, type, olds, news, preview, timeoutSeconds, ignoreChanges } = call;
      const inputs = normalize(plain(news) as KubernetesObject);
      const old = readCheckpoint(olds);
      if (preview) {
        const possible = !containsUnknown(inputs) && (await settings.api?.serves(inputs));
        if (!possible) return news;
      }
      const api = reachable();
      const random = `pulumi-kubernetes-${randomBytes(4).toString("hex")}`;
      const before = annotation(old.inputs, "patchFieldManager") || old.fieldManager || random;
      const manager = annotation(inputs, "patchFieldManager") || old.fieldManager || random;
      const isPatch = isPatchType(type, inputs.kind ?? "");
      const state = (live: KubernetesObject) =>
        checkpoint(inputs, live, news, manager, old.initialApiVersion ?? inputs.apiVersion ?? "");
      try {
        const options = writeOptions(manager, preview);
        const written = await update(api, old.live, inputs, isPatch, ignoreChanges, options);
        if (preview) return state(written);
        const wait = waitOptions(urn, inputs, timeoutSeconds);
        const ready = await untilReady(api, written, wait);
        if (before !== manager) await relinquish(api, ready, before, host.cancelled);
        return state(ready);
      } catch (error) {
        if (preview && error instanceof ApiError && error.reason === "Forbidden") return news;
        if (error instanceof NoMatchError) {
          throw new Error(
            `update of resource "${urn}" failed because the Kubernetes API server reported that the ` +
              `apiVersion for this resource does not exist: ${error.message}`,
            { cause: error },
          );
        }
        const path = await api.path(old.live, old.live.metadata?.name);
        // after a cancellation this fails as well: the change is in no state
        const { cancelled: signal } = host;
        const live = await api.request("GET", path, { signal }).catch((cause: unknown) => {
          throw new Error(
            `update of resource "${urn}" failed: ${(error as Error).message}\n` +
              `unable to get cluster state: ${(cause as Error).message}`,
            { cause },
          );
        });
        throw initFailed(
          `the Kubernetes API server reported that "${objectId(live)}" failed to fully initialize or become live`,
          error,
          objectId(live),
          state(live),
        );
      }
    },

    async delete({ urn, id, type, properties, timeoutSeconds }) {
      const { inputs, live, fieldManager } = readCheckpoint(properties);
      if (settings.api === undefined) {
        host.log("warning", urn, `${UNREACHABLE}: ${settings.unreachable}`, false);
        if (settings.deleteUnreachable) return;
        throw new Error(`${UNREACHABLE}. ${REMOVE_FROM_STATE}`);
      }
      if (isPatchType(type, live.kind ?? "")) {
        const manager = annotation(inputs, "patchFieldManager") || (fieldManager ?? "");
        try {
          await relinquish(settings.api, live, manager, host.cancelled);
        } catch (error) {
          if (!isNotFound(error) && !(error instanceof NoMatchError)) throw error;
        }
        return;
      }
      const seconds =
        timeoutSeconds || Number(annotation(inputs, "timeoutSeconds")) || DEFAULT_TIMEOUT_SECONDS;
      const { name } = parseId(id);
      await remove(settings.api, inputs, live, name, seconds * 1000, host.cancelled);
    },

    async read({ urn, id, properties, inputs: markedInputs }) {
      if (settings.api === undefined) {
        host.log("warning", urn, `${UNREACHABLE}: ${settings.unreachable}`, false);
        if (settings.deleteUnreachable) return { id: "", properties: {}, inputs: {} };
        if (settings.skipUpdateUnreachable) return { id, properties, inputs: markedInputs };
        throw new Error(
          `failed to read resource state due to unreachable cluster. ${REMOVE_FROM_STATE}`,
        );
      }
      const old = readCheckpoint(properties);
      const { name, namespace } = parseId(id);
      const known = plain(markedInputs) as KubernetesObject;
      const inputs = known.kind === undefined ? importInputs(urn, name, namespace) : known;
      let live: KubernetesObject;
      try {
        live = await settings.api.request("GET", await settings.api.path(inputs, name));
      } catch (error) {
        const gone = isNotFound(error) || error instanceof NoMatchError;
        if (gone) return { id: "", properties: {}, inputs: {} };
        throw error;
      }
      const liveInputs = prune(live, secretAsStored(normalize(inputs))) as KubernetesObject;
      const manager =
        annotation(inputs, "patchFieldManager") ||
        (old.fieldManager ?? `pulumi-kubernetes-${randomBytes(4).toString("hex")}`);
      const version = old.initialApiVersion ?? inputs.apiVersion ?? "";
      const state = checkpoint(liveInputs, live, markedInputs, manager, version);
      const resultInputs = annotateSecrets(liveInputs, markedInputs);
      const missing = isAnnotated(inputs, "skipAwait") ? undefined : conditionOf(live)?.(live);
      if (missing !== undefined && live.kind === "DaemonSet") {
        const text = `Resource '${name}' was created but failed to initialize`;
        throw new InitFailed(text, id, state, [text, missing], resultInputs);
      }
      return { id, properties: state, inputs: resultInputs };
    },
  };
}

/** Inputs of an imported object: its identity. */
function importInputs(urn: string, name: string, namespace: string | undefined): KubernetesObject {
  const [, module = "", kind = ""] = (urn.split("::")[2]?.split("$").pop() ?? "").split(":");
  const apiVersion = module.replace(/^core\//, "");
  return { apiVersion, kind, metadata: { name, namespace } };
}

function isInside(path: string, ignored: string): boolean {
  return path === ignored || path.startsWith(`${ignored}.`) || path.startsWith(`${ignored}[`);
}

function createError(urn: string, error: unknown): Error {
  const { message } = error as Error;
  const text =
    error instanceof NoMatchError
      ? `creation of resource "${urn}" failed because the Kubernetes API server reported that the apiVersion ` +
        `for this resource does not exist. Verify that any required CRDs have been created: ${message}`
      : `resource "${urn}" was not successfully created by the Kubernetes API server: ${message}`;
  return new Error(text, { cause: error });
}

function initFailed(text: string, error: unknown, id: string, properties: Properties): InitFailed {
  const message = `${text}: ${(error as Error).message}`;
  const reasons = error instanceof NotReady ? error.reasons : [];
  return new InitFailed(message, id, properties, [message, ...reasons]);
}
