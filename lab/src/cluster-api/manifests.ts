import { parseAllDocuments } from "yaml";

/** A Kubernetes object, as far as it is looked at here. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** As in the sources: a service of the management cluster. */
interface WebhookConfiguration extends Manifest {
  readonly webhooks?: readonly {
    readonly clientConfig: { readonly service: { readonly path: string } };
  }[];
}

/** Where a manager serves its webhooks. */
export interface WebhookServer {
  /** Prefix of names, because the managers' files use the same ones: like "core". */
  readonly manager: string;
  /** On loopback. */
  readonly port: number;
  /** PEM of the certificate that it shows. */
  readonly certificate: string;
}

/** The contracts of Cluster API and the versions of its own kinds that meet them. */
const CONTRACTS = {
  "cluster.x-k8s.io/v1beta1": "v1beta1",
  "cluster.x-k8s.io/v1beta2": "v1beta2",
};

/**
 * A CustomResourceDefinition of Cluster API's sources with what upstream adds by kustomize and
 * cert-manager: the labels of its contracts, and the conversion between its versions by the
 * manager's webhook.
 */
export function installableCrd(text: string, server: WebhookServer): Manifest {
  const [crd] = manifests<Manifest>(text);
  if (crd?.kind !== "CustomResourceDefinition") throw new Error("expected one CRD");
  return {
    ...crd,
    metadata: { ...crd.metadata, labels: { ...crd.metadata.labels, ...CONTRACTS } },
    spec: {
      ...crd.spec,
      conversion: {
        strategy: "Webhook",
        webhook: {
          conversionReviewVersions: ["v1"],
          clientConfig: clientConfig(server, "/convert"),
        },
      },
    },
  };
}

/** A manager's webhook configurations, for webhooks that are processes and not services. */
export function installableWebhooks(text: string, server: WebhookServer): Manifest[] {
  return manifests<WebhookConfiguration>(text).map((configuration) => ({
    ...configuration,
    metadata: { name: `${server.manager}-${configuration.metadata.name}` },
    webhooks: (configuration.webhooks ?? []).map((webhook) => ({
      ...webhook,
      clientConfig: clientConfig(server, webhook.clientConfig.service.path),
    })),
  }));
}

function clientConfig({ port, certificate }: WebhookServer, path: string) {
  return {
    url: `https://127.0.0.1:${port}${path}`,
    caBundle: Buffer.from(certificate).toString("base64"),
  };
}

function manifests<T extends Manifest>(text: string): T[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as T | null)
    .filter((manifest) => manifest !== null);
}
