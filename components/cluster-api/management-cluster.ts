import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import {
  managementObjects,
  type ManagementContents,
  type ManagementPlan,
} from "../../objects/cluster-api/management-objects";
import { componentType } from "../types";

/** Objects of one Cluster in a management cluster. */
export interface ManagementClusterArgs {
  /** Which objects there are: known without any output, so that previews list them. */
  readonly plan: ManagementPlan;
  /** SECRET */
  readonly contents: pulumi.Output<ManagementContents>;
  /** Spec of the KubeadmControlPlane, if the plan has one. */
  readonly controlPlaneSpec: pulumi.Input<Readonly<Record<string, unknown>>>;
  /**
   * Runs before each object that ties the stack to a Cluster, and refuses a wrong one.
   * @default no check
   */
  readonly refuse?: pulumi.ResourceHook;
  /** Destroy takes the KubeadmControlPlane away, and with it all control-plane machines. */
  readonly deleteOnDestroy: boolean;
}

/**
 * CA, load balancer and control plane of a Cluster, as objects of Cluster API. In this order: the
 * CA, the user data of load-balancer hosts and the objects for the workload cluster, the control
 * plane.
 *
 * Without `deleteOnDestroy` a destroy leaves the Cluster as it is, with all that its machines need:
 * control plane, CA and user data. Only the ClusterResourceSet goes.
 */
export class ManagementCluster extends pulumi.ComponentResource {
  constructor(
    private readonly name: string,
    private readonly args: ManagementClusterArgs,
    options?: pulumi.ComponentResourceOptions,
  ) {
    super(componentType("ManagementCluster"), name, {}, options);
    const { plan, contents, controlPlaneSpec } = args;
    const objects = managementObjects(plan);
    const machine = { retainOnDelete: !args.deleteOnDestroy };
    const ca = this.secret(
      "ca",
      objects.ca,
      contents.apply((all) => all.ca),
      {
        ...machine,
        ...this.checked(),
      },
    );
    for (const [host, secret] of Object.entries(objects.userData)) {
      const data = contents.apply((all) => all.userData[host] ?? {});
      this.secret(`user-data-${host}`, secret, data, { ...machine, dependsOn: [ca] });
    }
    const resources = Object.entries(objects.secrets).map(([group, secret]) => {
      const data = contents.apply((all) => all.resources[group] ?? {});
      return this.secret(`resources-${group}`, secret, data, { dependsOn: [ca] });
    });
    const resourceSet = new kubernetes.apiextensions.CustomResource(
      `${name}-resource-set`,
      objects.resourceSet,
      { parent: this, dependsOn: resources, ...this.checked() },
    );
    if (objects.controlPlane !== undefined) {
      new kubernetes.apiextensions.CustomResource(
        `${name}-control-plane`,
        { ...objects.controlPlane, spec: controlPlaneSpec },
        { parent: this, dependsOn: [resourceSet], ...machine, ...this.checked() },
      );
    }
    this.registerOutputs({});
  }

  private secret(
    what: string,
    object: ReturnType<typeof managementObjects>["ca"],
    data: pulumi.Output<Readonly<Record<string, string>>>,
    options: pulumi.CustomResourceOptions,
  ): pulumi.Resource {
    return new kubernetes.core.v1.Secret(
      `${this.name}-${what}`,
      { ...object, data },
      { parent: this, ...options },
    );
  }

  private checked(): pulumi.CustomResourceOptions {
    const { refuse } = this.args;
    return refuse === undefined
      ? {}
      : { hooks: { beforeCreate: [refuse], beforeUpdate: [refuse] } };
  }
}
