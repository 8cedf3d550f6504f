import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { valueOf } from "../../pulumi-test-utils/src/index";
import { parse } from "yaml";
import { kubeconfig } from "../support/certificates";
import { CA, COMMAND, recordStack } from "./record-stack";
import { PROVIDER } from "./support/objects";

describe("objects in the cluster", () => {
  it("belong to a component whose name they begin with", async () => {
    const recording = await recordStack();
    const objects = recording.resources.filter(({ type }) => type.startsWith("kubernetes:"));
    assert.equal(objects.length, 11);
    for (const { name, parent: urn } of objects) {
      const parent = recording.resources.find((each) => each.urn === urn);
      assert.ok(parent && name.startsWith(`${parent.name}-`), name);
    }
  });

  it("use the provider with the cluster's kubeconfig, not Pulumi's default one", async () => {
    const recording = await recordStack();
    const provider = recording.find(PROVIDER, "cluster");
    assert.deepEqual(
      parse(String(provider.inputs["kubeconfig"])),
      parse(kubeconfig("https://lb.example:6444")),
    );
    for (const { type, name, provider: used } of recording.resources) {
      if (type.startsWith("kubernetes:")) assert.ok(used?.startsWith(`${provider.urn}::`), name);
    }
  });

  // A false, 0, {} or "" that is a pointer, a map or a list stays in the API.
  const KEPT =
    /(automountServiceAccountToken|enableServiceLinks|allowPrivilegeEscalation|maxSurge|emptyDir|apiGroups\[0\])$/;

  for (const changes of [{}, { discovery: "both" }, { daemonset: { variant: "mounted" } }]) {
    it(`hold no empty value, which the API drops and each preview shows: ${JSON.stringify(changes)}`, async () => {
      const recording = await recordStack(changes);
      const dropped = recording.resources
        .filter(({ type }) => type.startsWith("kubernetes:"))
        .flatMap(({ name, inputs }) => emptyPaths(inputs, name))
        .filter((path) => !KEPT.test(path));
      assert.deepEqual(dropped, []);
    });
  }
});

describe("the provider of the cluster", () => {
  it("comes after all control-plane nodes", async () => {
    const recording = await recordStack();
    assert.deepEqual(recording.dependencies(recording.find(PROVIDER, "cluster")).sort(), [
      "m1-bootstrap",
      "m1-kubeconfig",
      "m1-kubeconfig-renewed",
      "m2-bootstrap",
      "m3-bootstrap",
    ]);
  });

  it("keeps its kubeconfig secret", async () => {
    const provider = (await recordStack()).find(PROVIDER, "cluster");
    assert.ok(provider.secretInputs.includes("kubeconfig"));
  });

  it("stays the same provider with another kubeconfig", async () => {
    const provider = (await recordStack()).find(PROVIDER, "cluster");
    assert.equal(provider.inputs["clusterIdentifier"], "control-plane-lb-dev");
  });

  it("updates ConfigMaps and Secrets in place, and adopts objects of an interrupted run", async () => {
    const { inputs } = (await recordStack()).find(PROVIDER, "cluster");
    const options = ["enableConfigMapMutable", "enableSecretMutable", "upsertExistingObjects"];
    assert.deepEqual(
      options.filter((option) => String(inputs[option]) !== "true"),
      [],
    );
  });
});

describe("a cluster that exists", () => {
  const existing = { bootstrap: "none", kubeconfig: "{ given: true }" };

  it("gets preflights and forwards, and no kubeadm", async () => {
    const recording = await recordStack(existing);
    assert.deepEqual(
      recording
        .all(COMMAND)
        .map(({ name }) => name.replace(/^m\d-/, ""))
        .sort(),
      ["clean-up", "forward", "preflight", "reachability"].flatMap((what) => [what, what, what]),
    );
  });

  it("is reached with the given kubeconfig, which stays secret", async () => {
    const provider = (await recordStack(existing)).find(PROVIDER, "cluster");
    assert.equal(provider.inputs["kubeconfig"], "{ given: true }");
    assert.ok(provider.secretInputs.includes("kubeconfig"));
  });

  it("changes only after every forward is in place", async () => {
    const recording = await recordStack(existing);
    assert.deepEqual(recording.dependencies(recording.find(PROVIDER, "cluster")).sort(), [
      "m1-forward",
      "m2-forward",
      "m3-forward",
    ]);
  });

  it("has the certificates of its API servers checked against the kubeconfig's CA", async () => {
    const cluster = { "certificate-authority-data": Buffer.from(CA).toString("base64") };
    const kubeconfig = JSON.stringify({ clusters: [{ name: "c", cluster }] });
    const recording = await recordStack({ bootstrap: "none", kubeconfig });
    const preflight = String(recording.find(COMMAND, "m1-preflight").inputs["stdin"]);
    assert.match(preflight, /check_certificate 'm3' '10\.0\.0\.13:6443'/);
  });
});

describe("outputs of the stack", () => {
  const stack = () =>
    recordStack({ endpoint: { host: "fd00::10", port: 7443, addresses: ["fd00::10"] } });

  it("hold the endpoint as a URL", async () => {
    assert.equal((await stack()).result.endpoint, "https://[fd00::10]:7443");
  });

  it("hold the day on which the kubeconfig expires, which is no secret", async () => {
    const output = (await stack()).result.kubeconfigExpires;
    const days = (Date.parse(String(await valueOf(output))) - Date.now()) / 86_400_000;
    assert.ok(days > 364 && days <= 365, String(days));
    assert.equal(await (output as unknown as { isSecret: Promise<boolean> }).isSecret, false);
  });

  it("hold the kubeconfig as a secret", async () => {
    const output = (await stack()).result.kubeconfig;
    assert.deepEqual(
      parse(String(await valueOf(output))),
      parse(kubeconfig("https://[fd00::10]:7443")),
    );
    assert.equal(await (output as unknown as { isSecret: Promise<boolean> }).isSecret, true);
  });
});

/** Paths of all values that are false, 0 or empty. */
function emptyPaths(value: unknown, path: string): string[] {
  if (value === false || value === 0 || value === "") return [path];
  if (typeof value !== "object" || value === null) return [];
  const entries: [string, unknown][] = Array.isArray(value)
    ? value.map((item, index) => [`[${index}]`, item as unknown])
    : Object.entries(value).map(([key, item]) => [`.${key}`, item]);
  if (entries.length === 0) return [path];
  return entries.flatMap(([key, item]) => emptyPaths(item, path + key));
}
