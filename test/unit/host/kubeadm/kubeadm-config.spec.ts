import assert from "node:assert/strict";
import { parse, parseAllDocuments } from "yaml";
import { initConfig, joinConfig } from "../../../../host/kubeadm/kubeadm-config";
import type { KubeadmSettings } from "../../../../host/kubeadm/kubeadm-settings";

const node = { name: "m1", address: "10.77.0.11" };

function settings(change: Partial<KubeadmSettings> = {}): KubeadmSettings {
  return {
    endpoint: { host: "api.example.org", port: 6444 },
    apiPort: 6443,
    certSANs: [],
    ignorePreflightErrors: [],
    skipPhases: [],
    fragments: {},
    ...change,
  };
}

interface Documents {
  readonly [kind: string]: Record<string, unknown>;
}

function initDocuments(change: Partial<KubeadmSettings> = {}): Documents {
  const documents = parseAllDocuments(initConfig(settings(change), node)).map(
    (document) => document.toJS() as Record<string, unknown>,
  );
  return Object.fromEntries(documents.map((document) => [String(document["kind"]), document]));
}

describe("kubeadm's init configuration", () => {
  it("holds what we must own and leaves everything else to kubeadm's defaults", () => {
    assert.equal(
      initConfig(settings(), node),
      `apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: "@KUBERNETES_VERSION@"
controlPlaneEndpoint: api.example.org:6444
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint:
  advertiseAddress: 10.77.0.11
  bindPort: 6443
nodeRegistration:
  name: m1
  kubeletExtraArgs:
    - name: node-ip
      value: 10.77.0.11
`,
    );
  });

  it("puts an IPv6 endpoint into brackets", () => {
    const documents = initDocuments({ endpoint: { host: "fd00::1", port: 6444 } });
    assert.equal(documents["ClusterConfiguration"]?.["controlPlaneEndpoint"], "[fd00::1]:6444");
  });

  it("takes version, name, SANs, phases and ignored checks from the settings", () => {
    const documents = initDocuments({
      kubernetesVersion: "v1.35.4",
      clusterName: "blue",
      certSANs: ["lb.example.org"],
      skipPhases: ["addon/kube-proxy"],
      ignorePreflightErrors: ["Swap"],
    });
    assert.equal(documents["ClusterConfiguration"]?.["kubernetesVersion"], "v1.35.4");
    assert.equal(documents["ClusterConfiguration"]?.["clusterName"], "blue");
    assert.deepEqual(documents["ClusterConfiguration"]?.["apiServer"], {
      certSANs: ["lb.example.org"],
    });
    assert.deepEqual(documents["InitConfiguration"]?.["skipPhases"], ["addon/kube-proxy"]);
    const registration = documents["InitConfiguration"]?.["nodeRegistration"] as object;
    assert.deepEqual((registration as { ignorePreflightErrors?: unknown }).ignorePreflightErrors, [
      "Swap",
    ]);
  });

  it("merges fragments over ours: objects by key, arguments by name, SANs and phases as unions", () => {
    const documents = initDocuments({
      certSANs: ["a.example.org"],
      skipPhases: ["addon/kube-proxy"],
      fragments: {
        clusterConfiguration: {
          networking: { podSubnet: "10.244.0.0/16" },
          apiServer: {
            certSANs: ["b.example.org"],
            extraArgs: [{ name: "max-requests-inflight", value: "800" }],
          },
        },
        initConfiguration: {
          skipPhases: ["addon/coredns"],
          nodeRegistration: {
            kubeletExtraArgs: [
              { name: "node-ip", value: "10.77.0.11,fd00::11" },
              { name: "v", value: "2" },
            ],
            taints: [],
          },
        },
        kubeletConfiguration: { failSwapOn: false },
        kubeProxyConfiguration: { mode: "nftables" },
      },
    });
    assert.deepEqual(documents["ClusterConfiguration"]?.["apiServer"], {
      certSANs: ["a.example.org", "b.example.org"],
      extraArgs: [{ name: "max-requests-inflight", value: "800" }],
    });
    assert.deepEqual(documents["ClusterConfiguration"]?.["networking"], {
      podSubnet: "10.244.0.0/16",
    });
    assert.deepEqual(documents["InitConfiguration"]?.["skipPhases"], [
      "addon/kube-proxy",
      "addon/coredns",
    ]);
    assert.deepEqual(documents["InitConfiguration"]?.["nodeRegistration"], {
      name: "m1",
      kubeletExtraArgs: [
        { name: "node-ip", value: "10.77.0.11,fd00::11" },
        { name: "v", value: "2" },
      ],
      taints: [],
    });
    assert.deepEqual(documents["KubeletConfiguration"], {
      apiVersion: "kubelet.config.k8s.io/v1beta1",
      kind: "KubeletConfiguration",
      failSwapOn: false,
    });
    assert.equal(documents["KubeProxyConfiguration"]?.["mode"], "nftables");
  });
});

describe("kubeadm's join configuration", () => {
  it("holds placeholders where the host fills in its join credentials", () => {
    assert.deepEqual(parse(joinConfig(settings({ ignorePreflightErrors: ["Swap"] }), node)), {
      apiVersion: "kubeadm.k8s.io/v1beta4",
      kind: "JoinConfiguration",
      discovery: {
        bootstrapToken: {
          apiServerEndpoint: "api.example.org:6444",
          token: "@TOKEN@",
          caCertHashes: ["@CA_CERT_HASH@"],
        },
      },
      controlPlane: {
        localAPIEndpoint: { advertiseAddress: "10.77.0.11", bindPort: 6443 },
        certificateKey: "@CERTIFICATE_KEY@",
      },
      nodeRegistration: {
        name: "m1",
        kubeletExtraArgs: [{ name: "node-ip", value: "10.77.0.11" }],
        ignorePreflightErrors: ["Swap"],
      },
    });
  });

  it("takes the user's fragment, and init's phases do not reach it", () => {
    const text = joinConfig(
      settings({
        skipPhases: ["addon/kube-proxy"],
        fragments: { joinConfiguration: { timeouts: { etcdAPICall: "5m0s" } } },
      }),
      node,
    );
    const document = parse(text) as Record<string, unknown>;
    assert.deepEqual(document["timeouts"], { etcdAPICall: "5m0s" });
    assert.equal(document["skipPhases"], undefined);
  });
});
