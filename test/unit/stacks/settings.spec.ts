import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { ConfigurationError } from "../../../stacks/settings";
import { settingsFromConfig } from "../../../stacks/read-config";
import { example, HOST_KEY, validationErrors, PRIVATE_KEY, read, environment } from "./example";

const DEFAULT_TIMEOUTS = {
  helloMs: 10_000,
  connectMs: 700,
  idleMs: 86_400_000,
  checkMs: 700,
  queueMs: 2000,
  hardStopAfterMs: 40_000,
};

describe("readSettings", () => {
  it("fills in the defaults", () => {
    const settings = read();
    assert.equal(settings.topology, "daemonset");
    assert.equal(settings.bootstrap, "kubeadm");
    assert.equal(settings.discovery, "configMap");
    assert.equal(settings.updater.retainSeconds, 3600);
    assert.deepEqual(settings.endpoint, { host: "lb.example", port: 6444, addresses: [] });
    assert.deepEqual(settings.ports, { lb: 6444, api: 6443, health: 6445 });
    assert.deepEqual(settings.ownAddress, { from: "route" });
    assert.equal(settings.forward.kind, "nftables");
    assert.equal(settings.haproxy.maxConnections, 40_000);
    assert.equal(settings.haproxy.maxConnectionsPerSource, 2000);
    assert.deepEqual(settings.haproxy.timeouts, DEFAULT_TIMEOUTS);
    assert.deepEqual(settings.haproxy.checks, {
      authentication: "anonymous",
      intervalMs: 1000,
      fastIntervalMs: 200,
      rise: 2,
      fall: 2,
      slowStartMs: 20_000,
    });
    assert.equal(settings.updater.drainSeconds, 30);
    assert.equal(settings.daemonset.variant, "sidecar");
    assert.equal(settings.updater.checkConfig, true);
    assert.equal(settings.kubeadm.resetOnDestroy, false);
    assert.deepEqual(settings.kubeadm.fragments, {});
    assert.equal("kubeconfig" in settings, false);
  });

  it("reads the same settings from an empty text, null and no value at all", () => {
    assert.deepEqual(read({ clusterName: "", kubeconfig: "", ports: null }), read());
  });

  it("keeps the other defaults when one value of a group is set", () => {
    const { haproxy } = read({
      haproxy: { timeouts: { connect: "900ms" }, resources: { requests: { cpu: "1" } } },
    });
    assert.deepEqual(haproxy.timeouts, { ...DEFAULT_TIMEOUTS, connectMs: 900 });
    assert.deepEqual(haproxy.resources.requests, { cpu: "1", memory: "64Mi" });
  });

  it("knows the two variants of the DaemonSet, and no other", () => {
    const variant = (word: string) => ({ daemonset: { variant: word } });
    assert.equal(read(variant("mounted")).daemonset.variant, "mounted");
    assert.deepEqual(validationErrors(variant("reloader")), [
      'daemonset.variant: got "reloader", expected sidecar or mounted',
    ]);
  });

  it("reports a value once, however many rules it breaks", () => {
    assert.deepEqual(validationErrors({ imagePullSecrets: ["Reg_Cred"] }), [
      'imagePullSecrets[0]: got "Reg_Cred", expected the name of a Secret in kube-system',
    ]);
  });

  it("sorts m2 before m10", () => {
    const node = (n: number) => ({ address: `10.0.0.${n}` });
    const { nodes } = read({ nodes: { m10: node(10), m2: node(2), m1: node(1) } });
    assert.deepEqual(
      nodes.map(({ name }) => name),
      ["m1", "m2", "m10"],
    );
  });

  it("writes addresses in one way", () => {
    const { nodes } = read({ nodes: { m1: { address: "FD00:0::11" } } });
    assert.equal(nodes[0]?.address, "fd00::11");
  });

  it("resolves how each node is reached", () => {
    const { nodes } = read({
      nodes: {
        m1: { address: "10.0.0.11" },
        m2: { address: "10.0.0.12", sshHost: "m2.example", sshPort: 2222, hostKeyFile: "host.pub" },
      },
      ssh: {
        user: "ops",
        hostKey: `${HOST_KEY} comment`,
        privateKeyFile: "~/key",
        privateKeyPassword: "word",
        bastion: { host: "jump.example", hostKey: HOST_KEY, user: "me" },
      },
    });
    const common = { user: "ops", hostKey: HOST_KEY };
    const credentials = { privateKey: PRIVATE_KEY, privateKeyPassword: "word" };
    const bastion = {
      host: "jump.example",
      port: 22,
      user: "me",
      hostKey: HOST_KEY,
      ...credentials,
    };
    assert.deepEqual(
      nodes.map(({ ssh }) => ssh),
      [
        { host: "10.0.0.11", port: 22, ...common, ...credentials, bastion },
        { host: "m2.example", port: 2222, ...common, ...credentials, bastion },
      ],
    );
  });

  it("lists all errors at once, each with its path", () => {
    assert.deepEqual(
      validationErrors({
        topology: "pods",
        discovery: "dns",
        updater: { retain: "-30s" },
        endpoint: { host: "HOST", port: 70000 },
        nodes: { m1: { address: "10.0.0.300" }, M2: { address: "10.0.0.12" }, m3: {} },
        ports: { api: "6443" },
        allow: ["10.0.0.0/8", "10.0.0.0/33"],
        forward: { kind: "nc" },
        haproxy: { image: "haproxy 3" },
        nodse: {},
      }),
      [
        "nodse: unknown key; known here: topology, discovery, bootstrap, clusterName, endpoint, virtualIp, ssh, ports, allow, ownAddress, forward, kubeadm, daemonset, haproxy, updater, token, imagePullSecrets, kubeconfig, nodes, loadBalancers",
        'topology: got "pods", expected daemonset or external',
        'discovery: got "dns", expected configMap or endpoints or both',
        'endpoint.host: got "HOST", expected an IP address or a DNS name in lower case',
        "endpoint.port: got 70000, expected a whole number from 1 to 65535",
        'ports.api: got "6443", expected a whole number from 1 to 65535',
        'allow[1]: got "10.0.0.0/33", expected a CIDR like 10.0.0.0/8 or fd00::/8',
        'forward.kind: got "nc", expected nftables or iptables or socat',
        'haproxy.image: got "haproxy 3", expected an image reference like registry.example/haproxy:3.0.11 or ...@sha256:...',
        'updater.retain: got "-30s", expected a time with a unit like 700ms, 30s, 10m or 24h',
        'nodes.m1.address: got "10.0.0.300", expected an IP address that other machines reach, like 10.0.0.11 or fd00::11 (no loopback, link-local or multicast)',
        'nodes.M2: got "M2", expected a node name: a DNS name in lower case, at most 63 characters',
        "nodes.m3.address: missing: expected an IP address that other machines reach, like 10.0.0.11 or fd00::11 (no loopback, link-local or multicast)",
      ],
    );
  });

  it("names an unknown key inside a node, and what there is", () => {
    assert.deepEqual(validationErrors({ nodes: { m1: { address: "10.0.0.11", adress: "x" } } }), [
      "nodes.m1.adress: unknown key; known here: address, sshHost, sshPort, hostKey, hostKeyFile, generation, lost, away",
    ]);
  });

  it("says what is missing in an empty configuration", () => {
    const paths = validationErrors({ endpoint: undefined, nodes: undefined, ssh: undefined });
    assert.deepEqual(
      paths.map((line) => line.split(":")[0]),
      ["endpoint", "ssh", "nodes"],
    );
  });

  it("reports its errors as one readable list", () => {
    const error = new ConfigurationError([
      { path: "a", message: "one" },
      { path: "b.c", message: "two" },
    ]);
    assert.equal(
      error.message,
      "the configuration has 2 errors; nothing was changed:\n  a: one\n  b.c: two",
    );
  });

  it("refuses values that are no object", () => {
    for (const value of [5, "x", [], true]) {
      const [line] = validationErrors({ nodes: value });
      assert.match(
        line ?? "",
        /^nodes: got .*: expected an object with the control-plane nodes by name/,
      );
    }
    assert.match(
      validationErrors({ nodes: { m1: "10.0.0.11" } })[0] ?? "",
      /^nodes.m1: got "10.0.0.11"/,
    );
  });
});

describe("settingsFromConfig", () => {
  const config = Object.fromEntries(
    Object.entries(example()).map(([key, value]) => [`project:${key}`, JSON.stringify(value)]),
  );

  it("reads JSON and texts, and leaves other namespaces alone", () => {
    const settings = settingsFromConfig(
      { ...config, "project:clusterName": "07", "kubernetes:clusterName": "x" },
      "project",
      environment,
    );
    assert.deepEqual(settings, read({ clusterName: "07" }));
  });

  it("refuses a text where an object belongs", () => {
    assert.throws(
      () => settingsFromConfig({ ...config, "project:ports": "6444 }" }, "project", environment),
      /ports: got "6444 }", expected an object with the keys api, health/,
    );
  });

  it("refuses an unknown key", () => {
    assert.throws(
      () => settingsFromConfig({ ...config, "project:endpiont": "{}" }, "project", environment),
      /endpiont: unknown key/,
    );
  });
});
