import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { ManagementCluster } from "../components/cluster-api/management-cluster";
import { refuseOtherCluster } from "../components/cluster-api/refuse-other-cluster";
import { stackName } from "../components/stack-name";
import type { KubeadmConfigAddition } from "../host/user-data/merge-kubeadm-config-spec";
import { PRODUCT } from "../names";
import { controlPlaneSpec } from "../objects/cluster-api/kubeadm-control-plane";
import {
  managementManifests,
  type ManagementContents,
  type ManagementPlan,
} from "../objects/cluster-api/management-objects";
import { toYaml } from "../objects/manifest";
import { bundleUpdater } from "../updater/bundle";
import { contentsOf, fragmentOf, planOf, resourcesOf, usesCa } from "./cluster-api-contents";
import { connectionOf } from "./cluster-connection";
import { keepClusterSecrets } from "./cluster-secrets";
import { keepIdentity } from "./keep-identity";
import type { ClusterApiSettings, Settings } from "./settings";
import { endpointUrl } from "./shared";
import { userDataOf } from "./user-data";

/** What a stack gives out whose cluster Cluster API makes. */
export interface ClusterApiOutputs {
  /** `https://HOST:PORT` */
  readonly endpoint: string;
  /** Files and commands for the kubeadmConfigSpec of a KubeadmControlPlane of one's own. */
  readonly kubeadmConfigSpec: pulumi.Output<KubeadmConfigAddition>;
  /** Objects of the workload cluster, as YAML. SECRET */
  readonly clusterResources: pulumi.Output<string>;
  /** Objects of the management cluster but the KubeadmControlPlane, as YAML. SECRET */
  readonly managementResources: pulumi.Output<string>;
  /** Of dedicated load-balancer hosts, by their names. SECRET */
  readonly userData: pulumi.Output<Readonly<Record<string, string>>>;
}

/**
 * The load balancer of a Cluster of Cluster API, as objects in its management cluster. Without a
 * kubeconfig of that, the outputs alone hold them.
 */
export function clusterApiStack(
  settings: Settings,
  clusterApi: ClusterApiSettings,
): ClusterApiOutputs {
  const secrets = keepClusterSecrets({ dependsOn: [keepIdentity(settings, [])] });
  const context = { stack: stackName(), settings, updaterScript: bundleUpdater() };
  // known in the first preview where no text depends on it
  const caCert = usesCa(settings) ? secrets.apply((known) => known.caCert) : pulumi.output("");
  // a certificate is public, and previews must show what changes
  const addition = pulumi.unsecret(
    caCert.apply((pem) => fragmentOf({ ...context, secrets: { caCert: pem } })),
  );
  const plan = planOf(context, clusterApi);
  const resources = secrets.apply((known) => resourcesOf({ ...context, secrets: known }));
  const userData = secrets.apply((known) => userDataOf({ ...context, secrets: known }));
  const contents = pulumi
    .all([secrets, resources, userData])
    .apply(([known, groups, machines]) => contentsOf(known, groups, machines));
  if (clusterApi.kubeconfig !== undefined) {
    manage(
      plan,
      contents,
      addition,
      secrets.apply(({ caCert: pem }) => pem),
      settings,
      {
        ...clusterApi,
        kubeconfig: clusterApi.kubeconfig,
      },
    );
  }
  return {
    endpoint: endpointUrl(settings),
    kubeadmConfigSpec: addition,
    clusterResources: pulumi.secret(
      resources.apply((groups) => toYaml(Object.values(groups).flat())),
    ),
    managementResources: pulumi.secret(
      contents.apply((all) => toYaml(managementManifests(plan, all))),
    ),
    userData: pulumi.secret(userData),
  };
}

/** What Pulumi's types leave out. */
const { isConfigSecret } = pulumi.runtime as { isConfigSecret?: (key: string) => boolean };

/** A secret where the configuration has one anywhere in `clusterApi`: Pulumi does not say where. */
function asConfigured(spec: object): pulumi.Output<unknown> {
  const isSecret = isConfigSecret?.(`${pulumi.getProject()}:clusterApi`) ?? true;
  return isSecret ? pulumi.secret(spec) : pulumi.output(spec);
}

/** The objects in the management cluster. */
function manage(
  plan: ManagementPlan,
  contents: pulumi.Output<ManagementContents>,
  addition: pulumi.Output<KubeadmConfigAddition>,
  caCert: pulumi.Output<string>,
  settings: Settings,
  { kubeconfig, kubeadmControlPlane, deleteOnDestroy }: ClusterApiSettings & { kubeconfig: string },
): void {
  const { endpoint } = settings;
  const provider = new kubernetes.Provider("management", {
    kubeconfig: pulumi.secret(kubeconfig),
    namespace: plan.cluster.namespace,
    // another kubeconfig must not replace every object
    clusterIdentifier: `${PRODUCT}-${pulumi.getStack()}-management`,
    enableSecretMutable: true,
    // adopts objects of an interrupted run; the API server refuses unknown fields in an apply only
    upsertExistingObjects: true,
  });
  const connection = connectionOf(kubeconfig);
  const { cluster, apiVersion, selector: labels, controlPlane } = plan;
  const expected = {
    ...{ ...cluster, endpoint, labels },
    ...(controlPlane === undefined ? {} : { controlPlane }),
  };
  const spec =
    kubeadmControlPlane === undefined
      ? {}
      : pulumi.all([addition, asConfigured(kubeadmControlPlane.spec)]).apply(([ours, users]) =>
          controlPlaneSpec(users as Readonly<Record<string, unknown>>, {
            addition: ours,
            place: kubeadmControlPlane.commands,
            certSANs: endpoint.addresses,
          }),
        );
  new ManagementCluster(
    "management",
    {
      plan,
      contents,
      controlPlaneSpec: spec,
      ...(connection === undefined
        ? {}
        : {
            refuse: refuseOtherCluster("management", { expected, apiVersion, connection, caCert }),
          }),
      deleteOnDestroy,
    },
    { providers: { kubernetes: provider } },
  );
}
