import * as pulumi from "@pulumi/pulumi";
import { STACK_ANNOTATION } from "../../names";
import { stackName } from "../stack-name";
import { BACKENDS_PATH } from "./backends";
import { requestApi, type ClusterConnection } from "./cluster-api";

/**
 * A hook before what a first `up` creates: a cluster of another stack is refused before any host
 * changes, in previews too. Where the cluster does not answer yet, as behind a forward that is to be
 * installed, the claim of its ConfigMap refuses later.
 */
export function refuseForeignStack(connection: ClusterConnection): pulumi.ResourceHook {
  const own = stackName();
  return new pulumi.ResourceHook(
    "refuse-foreign-stack",
    async () => {
      const answer = await requestApi(connection, "GET", BACKENDS_PATH).catch(() => undefined);
      const holder = answer === undefined ? undefined : stackOf(answer.body);
      if (holder !== undefined && holder !== own) throw new Error(refusal(holder));
    },
    { onDryRun: true },
  );
}

function stackOf(body: unknown): string | undefined {
  const { metadata } = (body ?? {}) as {
    metadata?: { annotations?: Readonly<Record<string, string>> };
  };
  return metadata?.annotations?.[STACK_ANNOTATION];
}

function refusal(holder: string): string {
  return `the cluster belongs to stack ${holder}; nothing was changed. To hand it over, see "Two stacks" in docs/operations.md`;
}
