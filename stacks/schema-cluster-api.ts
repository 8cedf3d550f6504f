import { z } from "zod";
import { COMMAND_PLACES } from "../host/user-data/merge-kubeadm-config-spec";
import { API_VERSIONS } from "../objects/cluster-api/names";
import { dnsName, flag, keys, list, oneOf, text } from "./fields";

/** A name that a label can hold, and from which longer names are made. */
const clusterName = () => dnsName("a DNS name in lower case, at most 63 characters", 63);

const label = text("the value of a label", /^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/);

const controlPlane = keys({
  name: clusterName()
    .optional()
    .describe("Name of the object. Default: `clusterApi.name` and `-control-plane`."),
  spec: z
    .record(z.string(), z.unknown(), { error: "an object, as in Cluster API's documents" })
    .describe(
      "Its spec in full: `replicas`, `version`, `machineTemplate`, `kubeadmConfigSpec` and so on. Our files and commands come into its `kubeadmConfigSpec`.",
    ),
  commands: oneOf(COMMAND_PLACES)
    .default("after")
    .describe("Our files and commands come `before` those of `spec`, or `after` them."),
});

/** Cluster API, for bootstrap clusterApi. */
export const clusterApi = keys({
  kubeconfig: text("a kubeconfig (its text, or a path)").optional().meta({
    description:
      "Kubeconfig of the management cluster, as its text or as the path of a file. Without it the stack changes no cluster: its outputs hold all objects.",
    secret: true,
  }),
  namespace: dnsName("the name of a namespace", 63)
    .default("default")
    .describe("Namespace of the Cluster."),
  name: clusterName().describe("Name of the Cluster, which you make yourself."),
  apiVersion: oneOf(API_VERSIONS)
    .default("v1beta2")
    .describe("Version of Cluster API's kinds: `v1beta2`, or `v1beta1` before Cluster API 1.11."),
  clusterSelector: z
    .record(z.string(), label, { error: "an object of labels" })
    .optional()
    .describe(
      "Labels of the Cluster, by which the ClusterResourceSet finds it. Default: `cluster.x-k8s.io/cluster-name` with its name, which you give it.",
    ),
  kubeadmControlPlane: controlPlane
    .optional()
    .describe(
      "The KubeadmControlPlane that the stack makes. Without it take the output `kubeadmConfigSpec` into your own.",
    ),
  controlPlaneAddresses: list(text("an address, a range or a CIDR"), "addresses").describe(
    "With `loadBalancers`: the addresses that control-plane nodes can have, like `10.0.0.11-10.0.0.19` or `10.0.0.8/29`; at most 16. HAProxy starts with them, each down until it answers.",
  ),
  deleteOnDestroy: flag()
    .default(false)
    .describe(
      "`true`: `pulumi destroy` deletes the KubeadmControlPlane, and Cluster API the control-plane machines with it. `false`: the Cluster stays as it is.",
    ),
})
  .optional()
  .describe("Cluster API, with bootstrap `clusterApi`.");
