import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { example, read, validationErrors } from "./example";
import { clusterApiExample, controlPlaneSpec, dedicatedExample } from "./example-cluster-api";

const SPEC = "clusterApi.kubeadmControlPlane.spec";

describe("settings of a cluster that Cluster API makes", () => {
  it("need neither nodes nor SSH", () => {
    const settings = read(clusterApiExample());
    assert.equal(settings.bootstrap, "clusterApi");
    assert.deepEqual(settings.nodes, []);
    assert.equal(settings.clusterApi?.apiVersion, "v1beta2");
    assert.equal(settings.clusterApi.deleteOnDestroy, false);
    assert.equal(settings.clusterApi.kubeadmControlPlane?.commands, "after");
  });

  it("hold the addresses that control-plane nodes can have", () => {
    const { clusterApi } = read(
      dedicatedExample({ controlPlaneAddresses: ["10.0.0.11-10.0.0.13", "10.0.0.12/31"] }),
    );
    assert.deepEqual(clusterApi?.controlPlaneAddresses, [
      ...["10.0.0.11", "10.0.0.12", "10.0.0.13"],
    ]);
  });

  it("may come without a management cluster", () => {
    const settings = read(clusterApiExample({}, { kubeconfig: undefined }));
    assert.equal(settings.clusterApi?.kubeconfig, undefined);
  });

  for (const [what, changes, error] of [
    ["no clusterApi", clusterApiExample({ clusterApi: undefined }), /^clusterApi: missing/],
    [
      "a ConfigMap alone",
      clusterApiExample({ discovery: "configMap" }),
      /^discovery: is configMap/,
    ],
    [
      "the variant mounted",
      clusterApiExample({ daemonset: { variant: "mounted" } }),
      /^discovery: both needs the updater/,
    ],
    ["nodes", clusterApiExample({ nodes: { m1: { address: "10.0.0.11" } } }), /^nodes: has no/],
    ["ssh", clusterApiExample({ ssh: example()["ssh"] }), /^ssh: has no effect/],
    ["kubeadm", clusterApiExample({ kubeadm: { certSANs: ["x"] } }), /^kubeadm: has no effect/],
    ["a kubeconfig", clusterApiExample({ kubeconfig: "{ a: b }" }), /^kubeconfig: has no effect/],
    ["a clusterName", clusterApiExample({ clusterName: "x" }), /^clusterName: has no effect/],
    [
      "an address of a node on which HAProxy does not listen",
      clusterApiExample({ endpoint: { host: "10.0.0.5" } }),
      /^endpoint\.host: HAProxy does not listen on 10\.0\.0\.5.* list it under endpoint\.addresses/,
    ],
    [
      "load-balancer hosts without addresses of control-plane nodes",
      dedicatedExample({ controlPlaneAddresses: [] }),
      /^clusterApi\.controlPlaneAddresses: missing/,
    ],
    [
      "such addresses without load-balancer hosts",
      clusterApiExample({}, { controlPlaneAddresses: ["10.0.0.1"] }),
      /^clusterApi\.controlPlaneAddresses: has no effect without loadBalancers/,
    ],
    [
      "a range that is none",
      dedicatedExample({ controlPlaneAddresses: ["10.0.0.0/8"] }),
      /^clusterApi\.controlPlaneAddresses\[0\]: got "10\.0\.0\.0\/8", expected at most 16/,
    ],
    [
      "too many addresses",
      dedicatedExample({ controlPlaneAddresses: ["10.0.0.1-10.0.0.9", "10.0.0.31-10.0.0.39"] }),
      /^clusterApi\.controlPlaneAddresses: got 18 addresses, expected at most 16$/,
    ],
    [
      "addresses that may not use the LB port",
      { ...dedicatedExample(), allow: ["10.0.0.12/32"] },
      /^allow: does not hold 10\.0\.0\.11 of clusterApi\.controlPlaneAddresses\[0\]/,
    ],
    [
      "keys of a login",
      {
        ...dedicatedExample(),
        loadBalancers: { lb1: { address: "10.0.0.21", sshHost: "x.example" } },
      },
      /^loadBalancers\.lb1\.sshHost: has no effect/,
    ],
  ] as const) {
    it(`are refused with ${what}`, () => {
      const errors = validationErrors(changes);
      assert.equal(errors.length, 1, errors.join("\n"));
      assert.match(errors[0] ?? "", error);
    });
  }

  it("are refused with clusterApi under another bootstrap", () => {
    assert.deepEqual(validationErrors({ clusterApi: { name: "blue" } }), [
      "clusterApi: has no effect without bootstrap clusterApi",
    ]);
  });

  it("do not show the management cluster's kubeconfig in an error", () => {
    const errors = validationErrors(clusterApiExample({}, { kubeconfig: 7, name: "BLUE" }));
    assert.ok(
      errors.some((error) => /^clusterApi\.kubeconfig: got a value \(not shown\)/.test(error)),
    );
  });

  it("name the kubeconfig that cannot be read by its key", () => {
    const [error] = validationErrors(clusterApiExample({}, { kubeconfig: "missing.conf" }));
    assert.match(error ?? "", /^clusterApi\.kubeconfig: neither the text of a kubeconfig nor/);
  });
});

describe("the user's KubeadmControlPlane", () => {
  const errorsOf = (spec: unknown, changes: Record<string, unknown> = {}) =>
    validationErrors(clusterApiExample(changes, { kubeadmControlPlane: { spec } }));

  for (const [what, kubeadm, error] of [
    [
      "another endpoint",
      { clusterConfiguration: { controlPlaneEndpoint: "x:6443" } },
      /lb\.example:6444, the endpoint of this stack/,
    ],
    [
      "Ignition",
      { format: "ignition" },
      /cloud-config: our files and commands are for cloud-init$/,
    ],
    [
      "another API port of the init node",
      { initConfiguration: { localAPIEndpoint: { bindPort: 7443 } } },
      /bindPort: got 7443, expected 6443, as in ports\.api$/,
    ],
    [
      "another API port of joining nodes",
      { joinConfiguration: { controlPlane: { localAPIEndpoint: { bindPort: 7443 } } } },
      /bindPort: got 7443, expected 6443/,
    ],
    [
      "certSANs that are no list",
      { clusterConfiguration: { apiServer: { certSANs: "x" } } },
      /certSANs: got "x", expected a list$/,
    ],
    ["files that are no list", { files: "x" }, /\.kubeadmConfigSpec\.files: is no list$/],
  ] as const) {
    it(`is refused with ${what}`, () => {
      const errors = errorsOf(controlPlaneSpec(kubeadm));
      assert.equal(errors.length, 1, errors.join("\n"));
      assert.ok(errors[0]?.startsWith(`${SPEC}.kubeadmConfigSpec.`), errors[0]);
      assert.match(errors[0] ?? "", error);
    });
  }

  it("needs a version and a machine template", () => {
    assert.deepEqual(
      errorsOf({ replicas: 1 }).map((error) => error.split(":")[0]),
      [`${SPEC}.version`, `${SPEC}.machineTemplate`],
    );
  });

  it("must say the API port when it is not kubeadm's default", () => {
    assert.equal(errorsOf(controlPlaneSpec(), { ports: { api: 7443 } }).length, 2);
    const local = { localAPIEndpoint: { bindPort: 7443 } };
    const spec = controlPlaneSpec({
      initConfiguration: local,
      joinConfiguration: { controlPlane: local },
    });
    assert.doesNotThrow(() =>
      read(clusterApiExample({ ports: { api: 7443 } }, { kubeadmControlPlane: { spec } })),
    );
  });
});
