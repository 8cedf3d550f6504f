import * as pulumi from "@pulumi/pulumi";

/** `ORGANIZATION/PROJECT/STACK`, as hosts and clusters record it. */
export function stackName(): string {
  return [pulumi.getOrganization(), pulumi.getProject(), pulumi.getStack()].join("/");
}
