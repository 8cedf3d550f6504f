/** What a stack expects of the Cluster that it serves. */
export interface ExpectedCluster {
  readonly name: string;
  readonly namespace: string;
  readonly endpoint: { readonly host: string; readonly port: number };
  /** Labels by which the ClusterResourceSet finds it. */
  readonly labels: Readonly<Record<string, string>>;
  /** Its KubeadmControlPlane; absent: the stack does not make it. */
  readonly controlPlane?: string;
}

/** The fields of a Cluster that count, v1beta1 and v1beta2. */
interface Cluster {
  readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: {
    readonly controlPlaneEndpoint?: { readonly host?: string; readonly port?: number };
    readonly controlPlaneRef?: { readonly name?: string };
  };
}

/**
 * Why this Cluster cannot be served, a message each; empty: it can. An endpoint that is not set yet
 * is no reason: the infrastructure provider sets it.
 *
 * @param found as the API gives it; undefined: there is none
 */
export function clusterProblems(found: unknown, expected: ExpectedCluster): string[] {
  const { name, namespace, endpoint, labels, controlPlane } = expected;
  const where = `Cluster ${namespace}/${name}`;
  if (found === undefined) {
    return [
      `${where} is not in the management cluster: make it and its infrastructure first (it may refer to a control plane that is not there yet)`,
    ];
  }
  const { metadata, spec } = found as Cluster;
  const { host = "", port = 0 } = spec?.controlPlaneEndpoint ?? {};
  const reference = spec?.controlPlaneRef?.name;
  return [
    ...(host === "" || (host === endpoint.host && port === endpoint.port)
      ? []
      : [
          `${where} has the endpoint ${host}:${port}, and the configuration says ${endpoint.host}:${endpoint.port}: its certificates and clients use the first; correct endpoint in the configuration, or take another Cluster`,
        ]),
    ...Object.entries(labels)
      .filter(([label, value]) => metadata?.labels?.[label] !== value)
      .map(
        ([label, value]) =>
          `${where} lacks the label by which it gets its objects: kubectl --namespace ${namespace} label cluster.cluster.x-k8s.io ${name} ${label}=${value}`,
      ),
    ...(controlPlane === undefined || reference === undefined || reference === controlPlane
      ? []
      : [
          `${where} has the control plane ${reference}, and the configuration makes ${controlPlane}: set clusterApi.kubeadmControlPlane.name to ${reference}`,
        ]),
  ];
}

/**
 * Why the Secret with the Cluster's CA cannot become ours; undefined: it can.
 *
 * @param found as the API gives it; undefined: there is none
 * @param caCert PEM of the stack's CA
 */
export function caProblem(found: unknown, caCert: string, secretName: string): string | undefined {
  const data = (found as { data?: Readonly<Record<string, string>> } | undefined)?.data;
  const other = data?.["tls.crt"];
  if (other === undefined) return undefined;
  if (Buffer.from(other, "base64").toString().trim() === caCert.trim()) return undefined;
  return `Secret ${secretName} holds another CA than this stack: the Cluster has nodes already, or another stack serves it, and a new CA would lock all of them out; use a new Cluster, or the stack that made this CA`;
}
