import assert from "node:assert/strict";
import { parse, parseAllDocuments } from "yaml";
import {
  criSocket,
  initConfig,
  initDocuments,
  joinConfig,
  joinDocuments,
  withJoinCredentials,
  withNode,
} from "../../../../host/kubeadm/kubeadm-config";
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

/** What kubeadm init reads on m1, by kind. */
function readInit(change: Partial<KubeadmSettings> = {}): Documents {
  const documents = parseAllDocuments(initConfig(settings(change), node)).map(
    (document) => document.toJS() as Record<string, unknown>,
  );
  return Object.fromEntries(documents.map((document) => [String(document["kind"]), document]));
}

describe("kubeadm's init configuration", () => {
  it("holds the endpoint, the address and the name, and no default of kubeadm", () => {
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
    const documents = readInit({ endpoint: { host: "fd00::1", port: 6444 } });
    assert.equal(documents["ClusterConfiguration"]?.["controlPlaneEndpoint"], "[fd00::1]:6444");
  });

  it("takes version, name, SANs, phases and ignored checks from the settings", () => {
    const documents = readInit({
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

  it("merges objects of a fragment key by key", () => {
    const networking = { podSubnet: "10.244.0.0/16" };
    const documents = readInit({ fragments: { clusterConfiguration: { networking } } });
    assert.deepEqual(documents["ClusterConfiguration"]?.["networking"], networking);
    assert.equal(
      documents["ClusterConfiguration"]?.["controlPlaneEndpoint"],
      "api.example.org:6444",
    );
  });

  it("adds a fragment's SANs to the settings'", () => {
    const documents = readInit({
      certSANs: ["a.example.org"],
      fragments: {
        clusterConfiguration: {
          apiServer: {
            certSANs: ["b.example.org"],
            extraArgs: [{ name: "max-requests-inflight", value: "800" }],
          },
        },
      },
    });
    assert.deepEqual(documents["ClusterConfiguration"]?.["apiServer"], {
      certSANs: ["a.example.org", "b.example.org"],
      extraArgs: [{ name: "max-requests-inflight", value: "800" }],
    });
  });

  it("adds a fragment's phases to skip to the settings'", () => {
    const documents = readInit({
      skipPhases: ["addon/kube-proxy"],
      fragments: { initConfiguration: { skipPhases: ["addon/coredns"] } },
    });
    assert.deepEqual(documents["InitConfiguration"]?.["skipPhases"], [
      "addon/kube-proxy",
      "addon/coredns",
    ]);
  });

  it("takes a fragment's kubelet argument instead of ours of the same name", () => {
    const kubeletExtraArgs = [
      { name: "node-ip", value: "10.77.0.11,fd00::11" },
      { name: "v", value: "2" },
    ];
    const nodeRegistration = { kubeletExtraArgs, taints: [] };
    const documents = readInit({ fragments: { initConfiguration: { nodeRegistration } } });
    assert.deepEqual(documents["InitConfiguration"]?.["nodeRegistration"], {
      name: "m1",
      kubeletExtraArgs,
      taints: [],
    });
  });

  it("keeps ours beside a fragment's kubelet arguments of other names", () => {
    const nodeRegistration = { kubeletExtraArgs: [{ name: "v", value: "2" }] };
    const documents = readInit({ fragments: { initConfiguration: { nodeRegistration } } });
    assert.deepEqual(documents["InitConfiguration"]?.["nodeRegistration"], {
      name: "m1",
      kubeletExtraArgs: [
        { name: "node-ip", value: "10.77.0.11" },
        { name: "v", value: "2" },
      ],
    });
  });

  it("has documents of kubelet and kube-proxy when there are fragments for them", () => {
    const documents = readInit({
      fragments: {
        kubeletConfiguration: { failSwapOn: false },
        kubeProxyConfiguration: { mode: "nftables" },
      },
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

  it("takes the user's fragment", () => {
    const joinConfiguration = { timeouts: { etcdAPICall: "5m0s" } };
    const text = joinConfig(settings({ fragments: { joinConfiguration } }), node);
    const document = parse(text) as Record<string, unknown>;
    assert.deepEqual(document["timeouts"], { etcdAPICall: "5m0s" });
  });

  it("skips none of init's phases", () => {
    const text = joinConfig(settings({ skipPhases: ["addon/kube-proxy"] }), node);
    assert.equal((parse(text) as Record<string, unknown>)["skipPhases"], undefined);
  });
});

describe("the documents that are the same on every host", () => {
  it("of init hold neither a name nor an address of a host", () => {
    assert.deepEqual(initDocuments(settings({ ignorePreflightErrors: ["Swap"] })), [
      {
        apiVersion: "kubeadm.k8s.io/v1beta4",
        kind: "ClusterConfiguration",
        controlPlaneEndpoint: "api.example.org:6444",
      },
      {
        apiVersion: "kubeadm.k8s.io/v1beta4",
        kind: "InitConfiguration",
        localAPIEndpoint: { bindPort: 6443 },
        nodeRegistration: { ignorePreflightErrors: ["Swap"] },
      },
    ]);
  });

  it("of join hold no discovery and no certificate key", () => {
    assert.deepEqual(joinDocuments(settings()), [
      {
        apiVersion: "kubeadm.k8s.io/v1beta4",
        kind: "JoinConfiguration",
        controlPlane: { localAPIEndpoint: { bindPort: 6443 } },
      },
    ]);
  });

  it("get a node's name and address in a step of their own", () => {
    assert.deepEqual(withNode(joinDocuments(settings()), node), [
      {
        apiVersion: "kubeadm.k8s.io/v1beta4",
        kind: "JoinConfiguration",
        controlPlane: { localAPIEndpoint: { advertiseAddress: "10.77.0.11", bindPort: 6443 } },
        nodeRegistration: {
          name: "m1",
          kubeletExtraArgs: [{ name: "node-ip", value: "10.77.0.11" }],
        },
      },
    ]);
  });

  it("of init stay as they are when join credentials are added", () => {
    const documents = initDocuments(settings());
    assert.deepEqual(withJoinCredentials(documents, settings()), documents);
  });

  for (const name of ["initConfiguration", "joinConfiguration"]) {
    it(`name the container runtime's socket of ${name}`, () => {
      const fragments = { [name]: { nodeRegistration: { criSocket: "unix:///run/crio.sock" } } };
      assert.equal(criSocket(settings({ fragments })), "unix:///run/crio.sock");
    });
  }

  it("name no container runtime's socket by default", () => {
    assert.equal(criSocket(settings()), undefined);
  });
});
