import { Api } from "./api";
import { targetOf, type Overrides } from "./kubeconfig";

/** The provider's configuration. */
export interface Settings {
  readonly namespace: string;
  readonly mutable: { readonly configMaps: boolean; readonly secrets: boolean };
  readonly enablePatchForce: boolean;
  readonly upsertExistingObjects: boolean;
  readonly deleteUnreachable: boolean;
  readonly skipUpdateUnreachable: boolean;
  readonly api: Api | undefined;
  /** Reason for a missing `api`. */
  readonly unreachable: string;
}

/** Reads the configuration and contacts the API server once, as the real provider does. */
export async function configure(variables: Readonly<Record<string, string>>): Promise<Settings> {
  const value = (key: string) => variables[`kubernetes:config:${key}`];
  const flag = (key: string, env: string, preset = false) => {
    const text = value(key) ?? process.env[`PULUMI_K8S_${env}`];
    return text === undefined ? preset : text === "true";
  };
  if (!flag("enableServerSideApply", "ENABLE_SERVER_SIDE_APPLY", true)) {
    throw new Error(
      "stand-in of the kubernetes provider: enableServerSideApply=false is not there",
    );
  }
  if (value("renderYamlToDirectory")) {
    throw new Error("stand-in of the kubernetes provider: renderYamlToDirectory is not there");
  }
  const overrides: Overrides = { context: value("context"), cluster: value("cluster") };
  let api: Api | undefined;
  let unreachable = "";
  let namespace = value("namespace") ?? "";
  try {
    const target = targetOf(value("kubeconfig") ?? "", overrides);
    namespace ||= target.namespace ?? "";
    api = new Api(target);
    await api.request("GET", "/api/v1").catch((error: unknown) => {
      const reason = (error as Error).message;
      throw new Error(`unable to load schema information from the API server: ${reason}`);
    });
  } catch (error) {
    api = undefined;
    unreachable = (error as Error).message;
  }
  return {
    namespace: namespace || "default",
    mutable: {
      configMaps: flag("enableConfigMapMutable", "ENABLE_CONFIGMAP_MUTABLE"),
      secrets: flag("enableSecretMutable", "ENABLE_SECRET_MUTABLE"),
    },
    enablePatchForce: flag("enablePatchForce", "ENABLE_PATCH_FORCE"),
    upsertExistingObjects: flag("upsertExistingObjects", "UPSERT_EXISTING_OBJECTS"),
    deleteUnreachable: flag("deleteUnreachable", "DELETE_UNREACHABLE"),
    skipUpdateUnreachable: flag("skipUpdateUnreachable", "SKIP_UPDATE_UNREACHABLE"),
    api,
    unreachable,
  };
}
