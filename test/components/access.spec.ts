import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { Access } from "../../components/cluster/access";
import { recordResources, valueOf, type Recorded } from "../../pulumi-test-utils/src/index";
import { DISCOVERY_MODES, type DiscoveryMode } from "../../updater/settings";

const ROLE = "kubernetes:rbac.authorization.k8s.io/v1:Role";
const BINDING = "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding";
const ACCOUNT = "kubernetes:core/v1:ServiceAccount";
const SECRET = "kubernetes:core/v1:Secret";

/** What the cluster fills in. */
function outputs(type: string): Record<string, unknown> {
  return type === SECRET ? { data: { token: Buffer.from("a token").toString("base64") } } : {};
}

describe("the updater's rights", () => {
  const READ = "get list watch";
  const EVENTS = 'kube-system: /events []: "create patch"';
  const CONFIG_MAP = `kube-system: /configmaps [haproxy-backends]: "${READ}"`;
  const SLICE = `default: discovery.k8s.io/endpointslices [kubernetes]: "${READ}"`;
  const expected: Record<DiscoveryMode, string[]> = {
    configMap: [CONFIG_MAP, EVENTS],
    endpoints: [SLICE, EVENTS],
    both: [SLICE, CONFIG_MAP, EVENTS],
  };
  for (const discovery of DISCOVERY_MODES) {
    it(`are these and no others with discovery ${discovery}`, async () => {
      const recording = await recordResources(() =>
        Promise.resolve(new Access("access", { discovery })),
      );
      const roles = recording.all(ROLE);
      const bindings = recording.all(BINDING);
      assert.deepEqual(roles.flatMap(rights).sort(), expected[discovery].sort());
      // Each Role is bound in its own namespace, to this account alone, and no other object exists.
      assert.deepEqual(bindings.map(boundRole).sort(), roles.map(roleName).sort());
      for (const { inputs } of bindings) {
        assert.deepEqual(inputs["subjects"], [
          { kind: "ServiceAccount", name: "control-plane-lb", namespace: "kube-system" },
        ]);
      }
      const kinds = new Set(recording.resources.map(({ type }) => type));
      assert.deepEqual(
        [...kinds].filter((type) => type.startsWith("kubernetes:")).sort(),
        [ACCOUNT, BINDING, ROLE].sort(),
      );
      assert.equal(recording.all(ACCOUNT).length, 1);
      assert.equal(recording.result.rights.length, bindings.length);
    });
  }
});

describe("a token for HAProxy outside of the cluster", () => {
  it("is created after the rights, carries its generation, and stays secret", async () => {
    const recording = await recordResources(
      () => Promise.resolve(new Access("access", { discovery: "configMap", tokenGeneration: 7 })),
      { outputs },
    );
    const secret = recording.find(SECRET, "access-token-7");
    assert.deepEqual(recording.dependencies(secret), ["access-role-binding"]);
    assert.equal(secret.inputs["type"], "kubernetes.io/service-account-token");
    const metadata = secret.inputs["metadata"] as Record<string, unknown>;
    assert.equal(metadata["name"], "control-plane-lb-token-7");
    assert.deepEqual(metadata["annotations"], {
      "kubernetes.io/service-account.name": "control-plane-lb",
    });
    const { token } = recording.result;
    assert.ok(token);
    assert.equal(await valueOf(token), "a token");
    assert.equal(await (token as unknown as { isSecret: Promise<boolean> }).isSecret, true);
  });

  it("does not exist where pods have their own", async () => {
    const recording = await recordResources(() =>
      Promise.resolve(new Access("access", { discovery: "configMap" })),
    );
    assert.equal(recording.result.token, undefined);
    assert.equal(recording.all(SECRET).length, 0);
  });
});

interface Rule {
  readonly apiGroups: string[];
  readonly resources: string[];
  readonly resourceNames?: string[];
  readonly verbs: string[];
}

function metadata({ inputs }: Recorded): { readonly name: string; readonly namespace: string } {
  return inputs["metadata"] as { name: string; namespace: string };
}

/** `NAMESPACE: GROUP/RESOURCE [NAMES]: "VERBS"` for each rule. */
function rights(role: Recorded): string[] {
  return (role.inputs["rules"] as Rule[]).map((rule) => {
    const { apiGroups, resources, resourceNames = [], verbs } = rule;
    const what = `${apiGroups.join()}/${resources.join()} [${resourceNames.join()}]`;
    return `${metadata(role).namespace}: ${what}: "${verbs.join(" ")}"`;
  });
}

function roleName(role: Recorded): string {
  return `${metadata(role).namespace}/${metadata(role).name}`;
}

function boundRole(binding: Recorded): string {
  const { apiGroup, kind, name } = binding.inputs["roleRef"] as Record<string, string>;
  assert.deepEqual([apiGroup, kind], ["rbac.authorization.k8s.io", "Role"]);
  return `${metadata(binding).namespace}/${name}`;
}
