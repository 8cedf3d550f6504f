import * as pulumi from "@pulumi/pulumi";
import type { ApiVersion } from "../../objects/cluster-api/names";
import { caSecret } from "../../objects/cluster-api/secrets";
import { requestApi, type ClusterConnection } from "../cluster/cluster-api";
import { resolved } from "../cluster/refuse-missing";
import { caProblem, clusterProblems, type ExpectedCluster } from "./cluster-checks";

/** What the hook compares. */
export interface OtherClusterArgs {
  readonly expected: ExpectedCluster;
  readonly apiVersion: ApiVersion;
  readonly connection: ClusterConnection;
  /** PEM of the stack's CA. */
  readonly caCert: pulumi.Output<string>;
}

/**
 * A hook before a change in the management cluster, in previews too: refuses a Cluster with another
 * endpoint or another CA. Where the API does not answer, the provider speaks.
 */
export function refuseOtherCluster(name: string, args: OtherClusterArgs): pulumi.ResourceHook {
  return new pulumi.ResourceHook(
    `${name}-other-cluster`,
    async () => {
      const problems = await problemsOf({ ...args, caCert: await resolved(args.caCert) });
      if (problems.length > 0) throw new Error(problems.join("\n"));
    },
    { onDryRun: true },
  );
}

/**
 * Why the stack cannot serve this Cluster, a message each, as the API of the management cluster says
 * now. Empty where it does not answer.
 *
 * @param args without `caCert` (not known yet) the CA is not compared
 */
export async function problemsOf({
  expected,
  apiVersion,
  connection,
  caCert,
}: Omit<OtherClusterArgs, "caCert"> & { readonly caCert: string | undefined }): Promise<string[]> {
  const { name, namespace } = expected;
  const cluster = await ask(
    connection,
    `/apis/cluster.x-k8s.io/${apiVersion}/namespaces/${namespace}/clusters/${name}`,
  );
  if (cluster === "unknown") return [];
  if (cluster === "not served") {
    return [
      `the management cluster does not serve cluster.x-k8s.io/${apiVersion}: install Cluster API there, or set clusterApi.apiVersion to the version that it has`,
    ];
  }
  const secretName = caSecret(expected).metadata.name;
  const secret = await ask(connection, `/api/v1/namespaces/${namespace}/secrets/${secretName}`);
  const ca =
    caCert === undefined || typeof secret === "string"
      ? undefined
      : caProblem(secret.object, caCert, `${namespace}/${secretName}`);
  return [...clusterProblems(cluster.object, expected), ...(ca === undefined ? [] : [ca])];
}

/** The object, or undefined in its place where it is missing. */
async function ask(
  connection: ClusterConnection,
  path: string,
): Promise<{ readonly object: unknown } | "not served" | "unknown"> {
  const answer = await requestApi(connection, "GET", path).catch(() => undefined);
  if (answer?.code === 200) return { object: answer.body };
  if (answer?.code !== 404) return "unknown";
  // an API server answers for a kind that it does not have with a text, and no Status
  return typeof answer.body === "object" ? { object: undefined } : "not served";
}
