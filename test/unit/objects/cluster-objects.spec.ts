import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { clusterObjects, resourceGroups } from "../../../objects/cluster-objects";
import type { Manifest } from "../../../objects/manifest";
import { DISCOVERY_MODES, type DiscoveryMode } from "../../../updater/settings";

const TOKEN = "abcdef.0123456789abcdef";
const GROUP = "system:bootstrappers:control-plane-lb";

const external = (changes: { discovery?: DiscoveryMode; loadBalancerToken?: string } = {}) => ({
  stack: "org/project/dev",
  discovery: "both" as const,
  tokenGeneration: 3,
  ...changes,
});

const idOf = ({ kind, metadata }: Manifest) => `${kind} ${metadata.namespace}/${metadata.name}`;

describe("the objects of a cluster", () => {
  it("begin with the ConfigMap that says whose cluster it is", () => {
    const [first] = clusterObjects(external());
    assert.ok(first);
    assert.equal(idOf(first), "ConfigMap kube-system/haproxy-backends");
    assert.deepEqual(first.metadata.annotations, { "control-plane-lb/stack": "org/project/dev" });
  });

  it("have no object twice", () => {
    const ids = clusterObjects(external({ loadBalancerToken: TOKEN })).map(idOf);
    assert.deepEqual([...new Set(ids)], ids);
  });

  it("come as groups: what others fill in is apart from the rest", () => {
    const { backends, token } = resourceGroups(external({ loadBalancerToken: TOKEN }));
    assert.deepEqual(backends?.map(idOf), ["ConfigMap kube-system/haproxy-backends"]);
    assert.deepEqual(token?.map(idOf), ["Secret kube-system/control-plane-lb-token-3"]);
  });
});

describe("the bootstrap token of load-balancer hosts", () => {
  const objects = (discovery: DiscoveryMode = "both") =>
    clusterObjects(external({ discovery, loadBalancerToken: TOKEN }));
  const ofGroup = (manifests: readonly Manifest[]) =>
    manifests.filter(
      ({ kind, subjects }) =>
        kind === "RoleBinding" && (subjects as { name: string }[])[0]?.name === GROUP,
    );

  it("authenticates as a member of a group of its own, for ever, and signs nothing", () => {
    const secret = objects().find(({ metadata }) => metadata.name === "bootstrap-token-abcdef");
    assert.ok(secret);
    assert.equal(secret["type"], "bootstrap.kubernetes.io/token");
    assert.equal(secret.metadata.namespace, "kube-system");
    const data = Object.entries(secret["data"] as Record<string, string>).map(
      ([key, value]) => [key, Buffer.from(value, "base64").toString()] as const,
    );
    assert.deepEqual(Object.fromEntries(data), {
      description: "load-balancer hosts of the control-plane endpoint",
      "token-id": "abcdef",
      "token-secret": "0123456789abcdef",
      "usage-bootstrap-authentication": "true",
      "auth-extra-groups": GROUP,
    });
  });

  for (const discovery of DISCOVERY_MODES) {
    it(`has the updater's rights and no others, discovery ${discovery}`, () => {
      const all = objects(discovery);
      const roles = all.filter(({ kind }) => kind === "Role");
      const bindings = ofGroup(all);
      assert.deepEqual(
        bindings.map(({ metadata, roleRef }) => [metadata.namespace, roleRef]),
        roles.map(({ metadata }) => [
          metadata.namespace,
          { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: metadata.name },
        ]),
      );
      assert.ok(bindings.every(({ metadata }) => metadata.name !== "control-plane-lb"));
    });
  }

  for (const token of ["", "abcdef", "ABCDEF.0123456789abcdef", "abcdef.0123456789abcdef\n"]) {
    it(`is refused as ${JSON.stringify(token)}, without showing it`, () => {
      assert.throws(
        () => clusterObjects(external({ loadBalancerToken: token })),
        (error: Error) => {
          assert.match(error.message, /is no bootstrap token: expected 6 characters, a dot/);
          assert.ok(token.length < 20 || !error.message.includes(token.trim()));
          return true;
        },
      );
    });
  }

  it("does not exist without load-balancer hosts from user data", () => {
    assert.deepEqual(ofGroup(clusterObjects(external())), []);
  });
});
