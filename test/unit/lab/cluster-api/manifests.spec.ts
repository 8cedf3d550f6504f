import assert from "node:assert/strict";
import { INFRASTRUCTURE_CRDS } from "../../../../lab/src/cluster-api/infrastructure";
import { installableCrd, installableWebhooks } from "../../../../lab/src/cluster-api/manifests";

const SERVER = { manager: "core", port: 9443, certificate: "PEM" };
const CA = Buffer.from("PEM").toString("base64");

describe("manifests of Cluster API", () => {
  it("get CRDs with the labels of the contracts, and conversion by the manager's process", () => {
    const crd = installableCrd(
      `---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: clusters.cluster.x-k8s.io
  annotations: {kept: "yes"}
spec:
  group: cluster.x-k8s.io
`,
      SERVER,
    );
    assert.deepEqual(crd, {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: {
        name: "clusters.cluster.x-k8s.io",
        annotations: { kept: "yes" },
        labels: { "cluster.x-k8s.io/v1beta1": "v1beta1", "cluster.x-k8s.io/v1beta2": "v1beta2" },
      },
      spec: {
        group: "cluster.x-k8s.io",
        conversion: {
          strategy: "Webhook",
          webhook: {
            conversionReviewVersions: ["v1"],
            clientConfig: { url: "https://127.0.0.1:9443/convert", caBundle: CA },
          },
        },
      },
    });
  });

  it("get webhooks that call the manager's process, under names of their own", () => {
    const text = ["Mutating", "Validating"]
      .map(
        (kind) => `---
apiVersion: admissionregistration.k8s.io/v1
kind: ${kind}WebhookConfiguration
metadata:
  name: ${kind.toLowerCase()}-webhook-configuration
webhooks:
- name: some.x-k8s.io
  failurePolicy: Fail
  clientConfig:
    service: {name: webhook-service, namespace: system, path: /${kind}}
`,
      )
      .join("");
    const [mutating, validating] = installableWebhooks(text, SERVER);
    assert.equal(mutating?.metadata.name, "core-mutating-webhook-configuration");
    assert.equal(validating?.metadata.name, "core-validating-webhook-configuration");
    assert.deepEqual((validating as unknown as { webhooks: unknown }).webhooks, [
      {
        name: "some.x-k8s.io",
        failurePolicy: "Fail",
        clientConfig: { url: "https://127.0.0.1:9443/Validating", caBundle: CA },
      },
    ]);
  });

  it("name the lab's kinds as Cluster API derives the names", () => {
    assert.deepEqual(
      INFRASTRUCTURE_CRDS.map(({ metadata }) => metadata.name),
      ["labclusters", "labmachines", "labmachinetemplates"].map(
        (plural) => `${plural}.infrastructure.control-plane-lb.example`,
      ),
    );
    for (const { metadata } of INFRASTRUCTURE_CRDS) {
      assert.deepEqual(metadata.labels, { "cluster.x-k8s.io/v1beta2": "v1alpha1" });
    }
  });
});
