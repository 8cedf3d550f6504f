import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../../../tools/src/index";
import type { Api } from "./api";
import { INFRASTRUCTURE_CRDS } from "./infrastructure";
import {
  installableCrd,
  installableWebhooks,
  type Manifest,
  type WebhookServer,
} from "./manifests";

/** A manager's webhooks, and the folder of its sources with `config`. */
export interface ManagerSources extends WebhookServer {
  readonly sources: string;
}

const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

interface Crd extends Manifest {
  readonly status?: { readonly conditions?: readonly { type: string; status: string }[] };
}

/** Installs the kinds of Cluster API and of the lab, and waits until they are served. */
export async function installApis(api: Api, managers: readonly ManagerSources[]): Promise<void> {
  const crds = [
    ...managers.flatMap((manager) => {
      const folder = join(manager.sources, "config/crd/bases");
      const texts = readdirSync(folder).map((file) => readFileSync(join(folder, file), "utf8"));
      return texts.map((text) => installableCrd(text, manager));
    }),
    ...INFRASTRUCTURE_CRDS,
  ];
  for (const crd of crds) await api.apply(`${CRDS}/${crd.metadata.name}`, crd);
  let missing: readonly string[] = [];
  await waitUntil(
    "the kinds of Cluster API",
    { seconds: 60, lastSeen: () => missing.join(", ") },
    async () => {
      const served = (await api.list<Crd>(CRDS)).filter(isEstablished).map(nameOf);
      missing = crds.map(nameOf).filter((name) => !served.includes(name));
      return missing.length === 0;
    },
  );
}

/** Lets the API server call the managers' webhooks. */
export async function installWebhooks(
  api: Api,
  managers: readonly ManagerSources[],
): Promise<void> {
  for (const manager of managers) {
    const text = readFileSync(join(manager.sources, "config/webhook/manifests.yaml"), "utf8");
    for (const configuration of installableWebhooks(text, manager)) {
      const kind = `${configuration.kind.toLowerCase()}s`;
      const path = `/apis/admissionregistration.k8s.io/v1/${kind}/${nameOf(configuration)}`;
      await api.apply(path, configuration);
    }
  }
}

function nameOf({ metadata }: Manifest): string {
  return metadata.name;
}

function isEstablished({ status }: Crd): boolean {
  return (
    status?.conditions?.some(({ type, status }) => type === "Established" && status === "True") ??
    false
  );
}
