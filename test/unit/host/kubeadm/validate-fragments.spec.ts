import assert from "node:assert/strict";
import { validateFragments } from "../../../../host/kubeadm/validate-fragments";

describe("users' kubeadm fragments", () => {
  it("may hold whatever the program does not own", () => {
    assert.deepEqual(
      validateFragments({
        clusterConfiguration: {
          apiVersion: "kubeadm.k8s.io/v1beta4",
          kind: "ClusterConfiguration",
          networking: { serviceSubnet: "10.96.0.0/16" },
          etcd: { local: { extraArgs: [] } },
        },
        initConfiguration: { nodeRegistration: { taints: [] } },
        joinConfiguration: { timeouts: {} },
        kubeletConfiguration: { cgroupDriver: "systemd" },
        kubeProxyConfiguration: {},
      }),
      [],
    );
  });

  it("lists every key that the program owns, each with its path and what to do", () => {
    const validationErrors = validateFragments({
      clusterConfiguration: {
        controlPlaneEndpoint: "lb:6443",
        etcd: { external: { endpoints: [] } },
      },
      initConfiguration: { localAPIEndpoint: {}, certificateKey: "k" },
      joinConfiguration: { discovery: {}, controlPlane: { certificateKey: "k" } },
    });
    assert.deepEqual(
      validationErrors.map((validationError) => validationError.path),
      [
        "clusterConfiguration.controlPlaneEndpoint",
        "clusterConfiguration.etcd.external",
        "initConfiguration.localAPIEndpoint",
        "initConfiguration.certificateKey",
        "joinConfiguration.discovery",
        "joinConfiguration.controlPlane.certificateKey",
      ],
    );
    assert.ok(validationErrors.every((validationError) => validationError.message.length > 10));
  });

  it("refuses a document of another kind or version, and says which it expects", () => {
    assert.deepEqual(
      validateFragments({
        clusterConfiguration: { apiVersion: "kubeadm.k8s.io/v1beta3" },
        kubeletConfiguration: { kind: "ClusterConfiguration" },
      }),
      [
        {
          path: "clusterConfiguration.apiVersion",
          message: 'got "kubeadm.k8s.io/v1beta3", expected "kubeadm.k8s.io/v1beta4"',
        },
        {
          path: "kubeletConfiguration.kind",
          message: 'got "ClusterConfiguration", expected "KubeletConfiguration"',
        },
      ],
    );
  });

  it("refuses arguments as a map, at any depth, with their paths", () => {
    const errors = validateFragments({
      clusterConfiguration: {
        apiServer: { extraArgs: { profiling: "false" } },
        etcd: { local: { extraArgs: [{ name: "v" }] } },
        scheduler: { extraArgs: [{ name: "v", value: "4" }] },
      },
      joinConfiguration: { nodeRegistration: { kubeletExtraArgs: { v: "4" } } },
    });
    assert.deepEqual(
      errors.map(({ path }) => path),
      [
        "clusterConfiguration.apiServer.extraArgs",
        "clusterConfiguration.etcd.local.extraArgs",
        "joinConfiguration.nodeRegistration.kubeletExtraArgs",
      ],
    );
    for (const { message } of errors)
      assert.match(message, /a list of \{name, value\} since v1beta4/);
  });

  it("refuses names of certificates as a text", () => {
    const errors = validateFragments({
      clusterConfiguration: {
        apiServer: { certSANs: "lb.example" },
        etcd: { local: { serverCertSANs: [], peerCertSANs: [] } },
      },
    });
    assert.deepEqual(
      errors.map(({ path }) => path),
      ["clusterConfiguration.apiServer.certSANs"],
    );
  });
});
