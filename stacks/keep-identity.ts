import * as pulumi from "@pulumi/pulumi";
import { identityOf, refusals } from "./identity";
import type { Settings } from "./settings";

/**
 * Keeps in the stack's state what one `up` cannot change, and refuses such a change, in previews
 * too. A topology, for example: the engine creates the new resources before it deletes the old
 * ones, and both need the LB port of the same host. A destroyed stack is free again.
 *
 * @param checked the preflights: until they pass, a stack may still change all of it
 * @param beforeCreate may refuse the first `up`
 * @returns a resource that comes before everything that changes a host
 */
export function keepIdentity(
  settings: Settings,
  checked: readonly pulumi.Resource[],
  beforeCreate: pulumi.ResourceHook[] = [],
): pulumi.Resource {
  const next = identityOf(settings);
  const refuse = new pulumi.ResourceHook(
    "keep-identity",
    ({ oldInputs }) => {
      const errors = refusals(oldInputs?.["input"], next);
      if (errors.length > 0) throw new Error(errors.join("\n"));
    },
    { onDryRun: true },
  );
  return new pulumi.Stash(
    // the name of the time when it held the topology alone
    "topology",
    { input: next },
    { dependsOn: [...checked], hooks: { beforeCreate, beforeUpdate: [refuse] } },
  );
}
