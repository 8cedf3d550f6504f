import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { Access } from "../../components/cluster/access";
import { recordResources, valueOf } from "../../pulumi-test-utils/src/index";

const SECRET = "kubernetes:core/v1:Secret";

/** What the cluster fills in. */
function outputs(type: string): Record<string, unknown> {
  return type === SECRET ? { data: { token: Buffer.from("a token").toString("base64") } } : {};
}

describe("a token for HAProxy outside of the cluster", () => {
  it("is made after the rights are there, carries its generation, and stays secret", async () => {
    const recording = await recordResources(
      () => Promise.resolve(new Access("access", { tokenGeneration: 7 })),
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
    const recording = await recordResources(() => Promise.resolve(new Access("access", {})));
    assert.equal(recording.result.token, undefined);
    assert.equal(recording.all(SECRET).length, 0);
  });
});
