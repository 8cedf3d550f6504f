import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { changedInitSettings } from "../../host/kubeadm/init-settings";
import type { Recording } from "../../pulumi-test-utils/src/index";
import { CA, COMMAND, recordStack, TOKEN } from "./record-stack";
import { ancestors, assertBefore, assertOrder } from "./support/order";

const external = { topology: "external" };
const loadBalancers = {
  loadBalancers: { lb1: { address: "10.0.0.21" }, lb2: { address: "10.0.0.22" } },
};

describe("HAProxy outside the cluster", () => {
  it("comes in order: CA, load balancers, cluster, rights, token, joins", async () => {
    const recording = await recordStack(external);
    const order = [
      ...["m1-preflight", "m1-join-credentials-from/m2", "m1-join-credentials-from/m3", "m1-ca"],
      ...["m1-updater", "m1-haproxy", "m2-updater", "m2-haproxy", "m3-updater", "m3-haproxy"],
      ...["m1-bootstrap", "m1-kubeconfig", "access-token-1", "m3-token"],
      ...[
        "m2-join-credentials-from/m1",
        "m2-bootstrap",
        "m3-join-credentials-from/m1",
        "m3-bootstrap",
        "backends-key-m3",
      ],
    ];
    assertOrder(recording, order);
  });

  it("is reached by every host before kubeadm runs", async () => {
    const recording = await recordStack({ ...external, ...loadBalancers });
    const hosts = ["m1", "m2", "m3", "lb1", "lb2"];
    const checks = hosts.map((name) => `${name}-reachability`);
    for (const check of checks) {
      assertBefore(recording, check, ["lb1-haproxy", "lb2-haproxy"]);
      const script = String(recording.find(COMMAND, check).inputs["stdin"]);
      const asked = [...script.matchAll(/^reach '(\w+)' '([\d.]+)' &$/gm)].map((line) => line[1]);
      assert.deepEqual(
        asked,
        ["lb1", "lb2"].filter((name) => !check.startsWith(name)),
      );
    }
    assertBefore(recording, "m1-bootstrap", checks);
  });

  it("is not asked for by load-balancer hosts that may not use the LB port", async () => {
    const recording = await recordStack({ ...external, ...loadBalancers, allow: ["10.0.0.0/28"] });
    assert.deepEqual(
      recording.all(COMMAND).flatMap(({ name }) => (name.endsWith("-reachability") ? [name] : [])),
      ["m1-reachability", "m2-reachability", "m3-reachability"],
    );
  });

  it("uses the token only when the updater may read a ConfigMap with a backend", async () => {
    const objects = ["access-role-binding", "backends-control-plane-nodes", "backends-key-m1"];
    assertBefore(await recordStack(external), "m1-token", objects);
  });

  it("uses the token on every host before the first join", async () => {
    const tokens = ["m1-token", "m2-token", "m3-token"];
    assertBefore(await recordStack(external), "m2-bootstrap", tokens);
  });

  it("makes no forward and no DaemonSet", async () => {
    const recording = await recordStack(external);
    assert.deepEqual(
      recording.resources.filter(({ name }) => /forward|daemon/.test(name)),
      [],
    );
  });

  it("changes no host before all hosts have passed the preflight, load-balancer hosts included", async () => {
    const recording = await recordStack({ ...external, ...loadBalancers });
    const checks = ["m1", "m2", "m3", "lb1", "lb2"].map((name) => `${name}-preflight`);
    for (const { name, inputs } of recording.all(COMMAND)) {
      if (checks.includes(name) || inputs["create"] === undefined) continue;
      assertBefore(recording, name, checks);
    }
  });

  it("changes one load-balancer host at a time", async () => {
    const recording = await recordStack({ ...external, ...loadBalancers });
    const before = ancestors(recording, "lb2-updater");
    assert.ok(before.has("lb1-haproxy"));
    assert.ok(!before.has("lb2-haproxy"));
  });

  it("runs on dedicated load-balancer hosts alone, and kubeadm on control-plane nodes alone", async () => {
    const recording = await recordStack({ ...external, ...loadBalancers });
    const names = recording.all(COMMAND).map(({ name }) => name);
    assert.deepEqual(
      names.filter((name) => /-(haproxy|updater|token)$/.test(name)).sort(),
      ["lb1", "lb2"].flatMap((host) =>
        ["haproxy", "token", "updater"].map((what) => `${host}-${what}`),
      ),
    );
    for (const what of ["bootstrap", "kubeconfig", "ca"]) assert.ok(names.includes(`m1-${what}`));
    assert.ok(!names.some((name) => /^lb\d-(bootstrap|join-credentials|ca)/.test(name)));
  });

  it("brings the CA to every host together with its first configuration", async () => {
    const recording = await recordStack({ ...external, ...loadBalancers });
    for (const host of ["lb1", "lb2"]) {
      const script = String(recording.find(COMMAND, `${host}-updater`).inputs["stdin"]);
      assert.ok(script.includes(Buffer.from(`${CA}\n`).toString("base64").slice(0, 100)), host);
      assert.match(script, /files_put '\/etc\/control-plane-lb\/6444\/backends\/m3' 0644/);
    }
  });

  for (const what of ["haproxy", "updater", "token"]) {
    it(`renders the same script of ${what} for every host`, async () => {
      const recording = await recordStack({ ...external, ...loadBalancers });
      const script = (host: string) => recording.find(COMMAND, `${host}-${what}`).inputs["stdin"];
      assert.equal(typeof script("lb1"), "string");
      assert.equal(script("lb1"), script("lb2"));
    });
  }

  it("keeps the token secret: only the stdin of its own script holds it", async () => {
    const recording = await recordStack(external);
    const file = Buffer.from(`CONTROL_PLANE_LB_TOKEN=${TOKEN}\n`).toString("base64");
    for (const { name, inputs, secretInputs, options } of recording.all(COMMAND)) {
      const text = JSON.stringify(inputs).replaceAll("\\n", "");
      assert.ok(!text.includes(TOKEN), name);
      const holds = text.includes(file);
      assert.equal(holds, name.endsWith("-token"), name);
      if (!holds) continue;
      assert.ok(secretInputs.includes("stdin"), name);
      assert.equal(inputs["logging"], "none", name);
      assert.ok(options.additionalSecretOutputs.includes("stdout"), name);
      for (const key of ["create", "update", "delete"]) {
        assert.match(
          String(inputs[key]),
          /^sudo -n sh -s -- (apply|remove) organization\/control-plane-lb\/dev m\d$/,
          name,
        );
      }
    }
  });

  it("shows scripts in previews, except those of join credentials, token, control-plane nodes and kubeconfig", async () => {
    const recording = await recordStack(external);
    for (const { name, secretInputs } of recording.all(COMMAND)) {
      const hidden = /-(bootstrap|kubeconfig|kubeconfig-renewed|token|ca)$|-join-credentials-/.test(
        name,
      );
      assert.equal(secretInputs.includes("stdin"), hidden, name);
    }
  });

  it("puts the generation into the token's name, so that the former token is deleted last", async () => {
    const recording = await recordStack({ ...external, token: { generation: 7 } });
    const [secret] = recording.all("kubernetes:core/v1:Secret");
    assert.equal(secret?.name, "access-token-7");
    const metadata = secret.inputs["metadata"] as Record<string, unknown>;
    assert.equal(metadata["name"], "control-plane-lb-token-7");
    assert.deepEqual(metadata["annotations"], {
      "kubernetes.io/service-account.name": "control-plane-lb",
    });
  });

  it("runs nothing on a lost load-balancer host", async () => {
    const lost = {
      loadBalancers: { lb1: { address: "10.0.0.21", lost: true }, lb2: { address: "10.0.0.22" } },
    };
    const recording = await recordStack({ ...external, ...lost });
    for (const { name, options } of recording.all(COMMAND)) {
      assert.equal(options.retainOnDelete === true, name.startsWith("lb1-"), name);
    }
  });

  it("neither contacts a load-balancer host that is away, nor waits for its LB port", async () => {
    const away = {
      loadBalancers: { lb1: { address: "10.0.0.21", away: true }, lb2: { address: "10.0.0.22" } },
    };
    const recording = await recordStack({ ...external, ...away });
    for (const { name, inputs } of recording.all(COMMAND)) {
      const { host } = inputs["connection"] as { host: string };
      if (host === "10.0.0.21") assert.equal(inputs["create"], undefined, name);
      assert.doesNotMatch(String(inputs["stdin"]), /^reach 'lb1'/m, name);
    }
  });
});

describe("HAProxy outside the cluster, with IPv6", () => {
  const addresses = {
    endpoint: { host: "fd00::21" },
    nodes: { m1: { address: "fd00::11" }, m2: { address: "FD00:0::12" } },
    loadBalancers: { lb1: { address: "fd00::21" } },
    ownAddress: { subnet: "fd00::/64" },
    allow: ["fd00::/64"],
  };

  it("binds the endpoint's further addresses, and has them in the API servers' certificates", async () => {
    const endpoint = { host: "10.0.0.100", addresses: ["10.0.0.100"] };
    const recording = await recordStack({ ...external, endpoint });
    const script = (name: string) => String(recording.find(COMMAND, name).inputs["stdin"]);
    const files = filesIn(script("m1-updater"));
    const settings = JSON.parse(files.get("/etc/control-plane-lb/6444/settings.json") ?? "") as {
      haproxy: { virtualAddresses: string[] };
    };
    assert.deepEqual(settings.haproxy.virtualAddresses, ["10.0.0.100"]);
    assert.match(
      files.get("/opt/control-plane-lb/6444/own-address") ?? "",
      /grep -vE ' \(10\\\.0\\\.0\\\.100\)\/'/,
    );
    assert.match(script("m1-bootstrap"), /certSANs:\n *- "?10\.0\.0\.100/);
  });

  it("may get further addresses of the endpoint when there is a cluster", async () => {
    const bootstrap = async (endpoint: object) => {
      const recording = await recordStack({ ...external, endpoint });
      return String(recording.find(COMMAND, "m1-bootstrap").inputs["stdin"]);
    };
    const former = await bootstrap({ host: "lb.example" });
    const next = await bootstrap({ host: "lb.example", addresses: ["10.0.0.100"] });
    assert.notEqual(next, former);
    assert.deepEqual(changedInitSettings(former, next), []);
  });

  it("writes each address in the form that its reader expects", async () => {
    const recording = await recordStack({ ...external, ...addresses });
    assert.equal(recording.result.endpoint, "https://[fd00::21]:6444");
    const script = (name: string) => String(recording.find(COMMAND, name).inputs["stdin"]);
    const files = filesIn(script("lb1-updater"));
    assert.equal(files.get("/etc/control-plane-lb/6444/backends/m2"), "[fd00::12]:6443\n");
    const settings = JSON.parse(files.get("/etc/control-plane-lb/6444/settings.json") ?? "") as {
      haproxy: { listen: string[]; allow: string[] };
    };
    assert.deepEqual(settings.haproxy.listen, ["${HOST_IP}"]);
    assert.deepEqual(settings.haproxy.allow, ["fd00::/64"]);
    assert.match(
      files.get("/opt/control-plane-lb/6444/own-address") ?? "",
      /first_address -6 to 'fd00::\/64'/,
    );
    assert.match(script("lb1-preflight"), /^address='fd00::21'$/m);
  });
});

/** The files that a script writes on its host. */
function filesIn(script: string): Map<string, string> {
  const file = /^files_put '([^']+)' .*<<'END_OF_FILE'\n([A-Za-z0-9+/=\n]*?)END_OF_FILE$/gm;
  return new Map(
    [...script.matchAll(file)].map(([, path = "", text = ""]) => [
      path,
      Buffer.from(text, "base64").toString("utf8"),
    ]),
  );
}

describe("HAProxy outside a cluster that exists", () => {
  const kubeconfig = JSON.stringify({
    "current-context": "a",
    contexts: [{ name: "a", context: { cluster: "c" } }],
    clusters: [
      {
        name: "c",
        cluster: { "certificate-authority-data": Buffer.from(CA).toString("base64") },
      },
    ],
  });
  const existing = { ...external, bootstrap: "none", kubeconfig };
  const scripts = (recording: Recording<unknown>) =>
    recording
      .all(COMMAND)
      .map(({ name }) => name)
      .sort();

  it("runs no kubeadm, and nothing on control-plane nodes that are no load-balancer hosts", async () => {
    const services = (host: string) =>
      ["clean-up", "haproxy", "preflight", "reachability", "token", "updater"].map(
        (what) => `${host}-${what}`,
      );
    assert.deepEqual(
      scripts(await recordStack(existing)),
      ["m1", "m2", "m3"].flatMap((host) => services(host)),
    );
    assert.deepEqual(
      scripts(await recordStack({ ...existing, ...loadBalancers })),
      ["lb1", "lb2"].flatMap((host) => services(host)),
    );
  });

  it("brings the token after the rights and all backends are in the cluster", async () => {
    const recording = await recordStack({ ...existing, ...loadBalancers });
    const names = recording.resources.map(({ name }) => name);
    const inCluster = [
      "access-service-account",
      "access-role",
      "access-role-binding",
      "access-token-1",
      ...["backends-config-map", "backends-control-plane-nodes"],
      ...["backends-key-m1", "backends-key-m2", "backends-key-m3"],
    ];
    for (const name of inCluster) assert.ok(names.includes(name), name);
    assertBefore(recording, "lb2-token", inCluster);
  });

  it("takes the CA for HAProxy and for the preflight from the kubeconfig", async () => {
    const recording = await recordStack({ ...existing, ...loadBalancers });
    const ca = Buffer.from(`${CA}\n`).toString("base64").slice(0, 100);
    for (const host of ["lb1", "lb2"]) {
      const updater = String(recording.find(COMMAND, `${host}-updater`).inputs["stdin"]);
      assert.ok(updater.includes(ca), host);
      const preflight = String(recording.find(COMMAND, `${host}-preflight`).inputs["stdin"]);
      assert.ok(preflight.includes(CA));
      assert.match(preflight, /check_certificate 'm2' '10\.0\.0\.12:6443'/);
    }
  });
});
