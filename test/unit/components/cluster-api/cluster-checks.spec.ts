import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { caProblem, clusterProblems } from "../../../../components/cluster-api/cluster-checks";

const expected = {
  name: "blue",
  namespace: "metal",
  endpoint: { host: "lb.example", port: 6444 },
  labels: { "cluster.x-k8s.io/cluster-name": "blue" },
  controlPlane: "blue-control-plane",
};
const cluster = (spec: object = {}, labels: object = expected.labels) => ({
  metadata: { labels },
  spec: { controlPlaneEndpoint: { host: "lb.example", port: 6444 }, ...spec },
});

describe("a Cluster in the management cluster", () => {
  it("is served when endpoint, label and control plane are ours", () => {
    const controlPlaneRef = { kind: "KubeadmControlPlane", name: "blue-control-plane" };
    assert.deepEqual(clusterProblems(cluster({ controlPlaneRef }), expected), []);
  });

  it("is served while its endpoint is not set", () => {
    for (const controlPlaneEndpoint of [undefined, {}, { host: "", port: 0 }]) {
      assert.deepEqual(clusterProblems(cluster({ controlPlaneEndpoint }), expected), []);
    }
  });

  for (const [what, found, message] of [
    ["is not there", undefined, /^Cluster metal\/blue is not in the management cluster: make it/],
    [
      "has another port",
      cluster({ controlPlaneEndpoint: { host: "lb.example", port: 6443 } }),
      /has the endpoint lb\.example:6443, and the configuration says lb\.example:6444/,
    ],
    [
      "has another host",
      cluster({ controlPlaneEndpoint: { host: "10.0.0.1", port: 6444 } }),
      /has the endpoint 10\.0\.0\.1:6444/,
    ],
    [
      "lacks its label",
      cluster({}, {}),
      /kubectl --namespace metal label cluster\.cluster\.x-k8s\.io blue cluster\.x-k8s\.io\/cluster-name=blue$/,
    ],
    [
      "has another control plane",
      cluster({ controlPlaneRef: { name: "green" } }),
      /set clusterApi\.kubeadmControlPlane\.name to green$/,
    ],
  ] as const) {
    it(`is refused when it ${what}`, () => {
      const problems = clusterProblems(found, expected);
      assert.equal(problems.length, 1, problems.join("\n"));
      assert.match(problems[0] ?? "", message);
    });
  }

  it("may have any control plane when the stack makes none", () => {
    const { controlPlane, ...without } = expected;
    assert.ok(controlPlane);
    assert.deepEqual(clusterProblems(cluster({ controlPlaneRef: { name: "x" } }), without), []);
  });
});

describe("the Secret with a Cluster's CA", () => {
  const secret = (text: string) => ({ data: { "tls.crt": Buffer.from(text).toString("base64") } });

  it("becomes ours when it is not there, or holds the same CA", () => {
    assert.equal(caProblem(undefined, "CA\n", "metal/blue-ca"), undefined);
    assert.equal(caProblem(secret("CA"), "CA\n", "metal/blue-ca"), undefined);
  });

  it("is refused with another CA, which is not shown", () => {
    const problem = caProblem(secret("OTHER"), "CA\n", "metal/blue-ca") ?? "";
    assert.match(problem, /^Secret metal\/blue-ca holds another CA than this stack/);
    assert.doesNotMatch(problem, /OTHER/);
  });
});
