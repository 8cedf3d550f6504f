import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { clusterObjects } from "../../objects/cluster-objects";
import type { Manifest } from "../../objects/manifest";
import { clusterObjectsOf } from "../../stacks/cluster-objects";
import { read } from "../unit/stacks/example";
import { recordStack } from "./record-stack";

describe("the manifests of a cluster's objects", () => {
  for (const changes of [
    { discovery: "both" },
    { discovery: "endpoints", forward: { kind: "socat" }, imagePullSecrets: ["pull"] },
    { topology: "external", discovery: "both", token: { generation: 2 } },
  ]) {
    it(`are the objects that Pulumi makes: ${JSON.stringify(changes)}`, async () => {
      const stack = "organization/control-plane-lb/dev";
      const manifests = clusterObjects(clusterObjectsOf(read(changes), { stack }));
      const made = (await recordStack(changes)).resources
        .filter(({ type }) => type.startsWith("kubernetes:") && !type.endsWith("Patch"))
        .map(({ inputs }) => withoutPulumi(inputs as unknown as Manifest));
      const byId = (objects: readonly Manifest[]) =>
        Object.fromEntries(objects.map((each) => [idOf(each), each]));
      assert.deepEqual(byId(manifests), byId(made));
      assert.equal(manifests.length, made.length);
    });
  }
});

const idOf = ({ kind, metadata }: Manifest) => `${kind} ${metadata.namespace}/${metadata.name}`;

/** Without what the provider reads and the cluster does not need. */
function withoutPulumi(object: Manifest): Manifest {
  const { annotations = {}, ...metadata } = object.metadata;
  const kept = Object.entries(annotations).filter(([key]) => !key.startsWith("pulumi.com/"));
  const rest = kept.length === 0 ? {} : { annotations: Object.fromEntries(kept) };
  return { ...object, metadata: { ...metadata, ...rest } };
}
