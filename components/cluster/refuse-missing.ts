import * as pulumi from "@pulumi/pulumi";
import { requestApi, type ClusterConnection } from "./cluster-api";

/**
 * A hook before an update: an object that was deleted by hand cannot be updated, in previews either.
 * The provider says "not found" and no more.
 *
 * @param path of the object in the API
 */
export function refuseMissing(
  name: string,
  connection: pulumi.Output<ClusterConnection | undefined>,
  path: string,
): pulumi.ResourceHook {
  return new pulumi.ResourceHook(
    `${name}-exists`,
    async () => {
      const known = await resolved(connection);
      // without an answer the provider speaks
      const answer = known && (await requestApi(known, "GET", path).catch(() => undefined));
      if (answer?.code === 404) throw new Error(refusal(path));
    },
    { onDryRun: true },
  );
}

/** Undefined in a preview that does not know the value. */
export async function resolved<T>(output: pulumi.Output<T>): Promise<T | undefined> {
  const inner = output as unknown as { isKnown: Promise<boolean>; promise(): Promise<T> };
  return (await inner.isKnown) ? inner.promise() : undefined;
}

/** The message for an operator. */
export function refusal(path: string): string {
  const [kind, name] = path.split("/").slice(-2);
  return `${kind} ${name} is gone from the cluster: somebody has deleted it. HAProxy serves with what it has. Run pulumi up --refresh: it makes the object again`;
}
