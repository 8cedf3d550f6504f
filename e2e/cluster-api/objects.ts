import { INFRASTRUCTURE_API_VERSION, KUBERNETES_VERSION } from "../../lab/src/index";
import { isPlainObject } from "../scenario/lab-stack";
import type { Target } from "../load/types";

// What a team that uses Cluster API brings to the demo: the Cluster, the infrastructure, and its own
// part of the control plane's spec. Pure.

export const NAMESPACE = "default";

/** Name of the Cluster and of all that belongs to it. */
export const CLUSTER = "lab";

/** Name of the KubeadmControlPlane, which the stack makes. */
export const CONTROL_PLANE = CLUSTER;

const [INFRASTRUCTURE_GROUP = ""] = INFRASTRUCTURE_API_VERSION.split("/");

const TEMPLATE_KIND = "LabMachineTemplate";

/** A manifest with the path of its API. */
export interface Applied {
  readonly path: string;
  readonly manifest: object;
}

/** The Cluster with the endpoint that the stack's load balancers serve, and the lab's LabCluster. */
export function clusterObjects(endpoint: Target): Applied[] {
  const reference = (apiGroup: string, kind: string, name: string) => ({ apiGroup, kind, name });
  const cluster = {
    clusterNetwork: { pods: { cidrBlocks: ["10.244.0.0/16"] } },
    controlPlaneEndpoint: { host: endpoint.host, port: endpoint.port },
    controlPlaneRef: reference(
      "controlplane.cluster.x-k8s.io",
      "KubeadmControlPlane",
      CONTROL_PLANE,
    ),
    infrastructureRef: reference(INFRASTRUCTURE_GROUP, "LabCluster", CLUSTER),
  };
  return [
    applied("cluster.x-k8s.io/v1beta2", "Cluster", CLUSTER, cluster, {
      "cluster.x-k8s.io/cluster-name": CLUSTER,
    }),
    applied(INFRASTRUCTURE_API_VERSION, "LabCluster", CLUSTER, {}),
  ];
}

/** A template of machines. Every new one that the control plane names replaces all its machines. */
export function machineTemplate(name: string): Applied {
  return applied(INFRASTRUCTURE_API_VERSION, TEMPLATE_KIND, name, { template: { spec: {} } });
}

/** The control plane's reference to a template. */
export function templateReference(name: string): object {
  return { apiGroup: INFRASTRUCTURE_GROUP, kind: TEMPLATE_KIND, name };
}

/** Where the user's command leaves what the metadata service knows: the machine's name. */
export const USER_FILE = "/etc/lab-machine";

/**
 * The user's spec of the KubeadmControlPlane. Its files and commands are the user's own: the stack
 * must keep them. What only a lab needs comes as kubeadm's patches and arguments.
 * @param lab values of `kubeadm` in the lab's configuration
 */
export function controlPlaneSpec(lab: LabKubeadm, template: string): object {
  const patches = { directory: "/etc/kubernetes/patches" };
  const nodeRegistration = {
    ignorePreflightErrors: lab.ignorePreflightErrors,
    // Node and Machine find each other by it; a template of the user, resolved on the machine
    kubeletExtraArgs: [{ name: "provider-id", value: "lab://{{ ds.meta_data.local_hostname }}" }],
  };
  return {
    replicas: 1,
    version: `v${KUBERNETES_VERSION}`,
    machineTemplate: { spec: { infrastructureRef: templateReference(template) } },
    kubeadmConfigSpec: {
      clusterConfiguration: lab.clusterConfiguration,
      initConfiguration: { skipPhases: lab.skipPhases, nodeRegistration, patches },
      joinConfiguration: { nodeRegistration, patches },
      files: [
        {
          path: `${patches.directory}/kubeletconfiguration+merge.json`,
          owner: "root:root",
          permissions: "0644",
          content: JSON.stringify(lab.kubeletConfiguration),
        },
      ],
      preKubeadmCommands: [`echo "{{ ds.meta_data.local_hostname }}" >${USER_FILE}`],
      postKubeadmCommands: [`echo ready >>${USER_FILE}`],
    },
  };
}

/** The part of the lab's configuration that a KubeadmControlPlane needs. */
export interface LabKubeadm {
  readonly ignorePreflightErrors: readonly string[];
  readonly skipPhases: readonly string[];
  readonly clusterConfiguration: object;
  readonly kubeletConfiguration: object;
}

/** @throws when a part is missing */
export function labKubeadm(config: Readonly<Record<string, unknown>>): LabKubeadm {
  const { kubeadm } = config;
  if (!isPlainObject(kubeadm)) throw new Error("the lab's configuration lacks kubeadm");
  return kubeadm as unknown as LabKubeadm;
}

function applied(
  apiVersion: string,
  kind: string,
  name: string,
  spec: object,
  labels: Readonly<Record<string, string>> = {},
): Applied {
  return {
    path: `/apis/${apiVersion}/namespaces/${NAMESPACE}/${kind.toLowerCase()}s/${name}`,
    manifest: { apiVersion, kind, metadata: { name, namespace: NAMESPACE, labels }, spec },
  };
}
