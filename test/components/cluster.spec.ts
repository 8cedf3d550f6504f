import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { valueOf, type Recorded } from "../../pulumi-test-utils/src/index";
import { CA, COMMAND, KUBECONFIG, recordStack } from "./record-stack";

const CONFIG_MAP = "kubernetes:core/v1:ConfigMap";
const PATCH = "kubernetes:core/v1:ConfigMapPatch";
const DAEMON_SET = "kubernetes:apps/v1:DaemonSet";
const PROVIDER = "pulumi:providers:kubernetes";

describe("resources in the cluster", () => {
  it("belong to a component whose name they begin with, and use our provider", async () => {
    const recording = await recordStack();
    const provider = recording.find(PROVIDER, "cluster");
    const inCluster = recording.resources.filter(({ type }) => type.startsWith("kubernetes:"));
    assert.equal(inCluster.length, 10);
    for (const resource of inCluster) {
      const parent = recording.resources.find(({ urn }) => urn === resource.parent);
      assert.ok(parent && resource.name.startsWith(`${parent.name}-`), resource.name);
      assert.ok(resource.provider?.startsWith(`${provider.urn}::`), resource.name);
    }
  });

  it("come after the control-plane nodes, and never replace everything for another kubeconfig", async () => {
    const recording = await recordStack();
    const provider = recording.find(PROVIDER, "cluster");
    assert.deepEqual(recording.dependencies(provider).sort(), [
      "m1-bootstrap",
      "m1-kubeconfig",
      "m2-bootstrap",
      "m3-bootstrap",
    ]);
    assert.ok(provider.secretInputs.includes("kubeconfig"));
    assert.equal(provider.inputs["kubeconfig"], KUBECONFIG);
    assert.equal(provider.inputs["clusterIdentifier"], "control-plane-lb-dev");
    for (const option of [
      "enableConfigMapMutable",
      "enableSecretMutable",
      "upsertExistingObjects",
    ]) {
      assert.equal(String(provider.inputs[option]), "true", option);
    }
  });

  it("give the updater its ConfigMap to read and Events to write, no more", async () => {
    const recording = await recordStack();
    const name = "control-plane-lb";
    assert.deepEqual(
      recording.find("kubernetes:rbac.authorization.k8s.io/v1:Role", "access-role").inputs["rules"],
      [
        {
          apiGroups: [""],
          resources: ["configmaps"],
          resourceNames: ["haproxy-backends"],
          verbs: ["get", "list", "watch"],
        },
        { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
      ],
    );
    const binding = recording.find(
      "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
      "access-role-binding",
    );
    assert.deepEqual(binding.inputs["subjects"], [
      { kind: "ServiceAccount", name, namespace: "kube-system" },
    ]);
    assert.deepEqual(binding.inputs["roleRef"], {
      apiGroup: "rbac.authorization.k8s.io",
      kind: "Role",
      name,
    });
    assert.equal(recording.all("kubernetes:core/v1:Secret").length, 0);
    assert.equal(recording.resources.filter(({ type }) => type.includes("ClusterRole")).length, 0);
  });

  it("give the updater the API's own endpoints to read instead, where it finds the backends there", async () => {
    const recording = await recordStack({
      discovery: "endpoints",
      updater: { retain: "10m" },
    });
    const daemonSet = recording.find(DAEMON_SET, "haproxy-daemon-set");
    const dependencies = recording.dependencies(daemonSet);
    assert.ok(dependencies.includes("access-role-binding"));
    assert.ok(dependencies.includes("access-slice-role-binding"));
    // A first pod still starts with the ConfigMap as kubelet mounts it.
    assert.ok(dependencies.includes("backends-m1"));
    const data = recording.find(CONFIG_MAP, "haproxy-updater").inputs["data"];
    const settings = JSON.parse((data as { "settings.json": string })["settings.json"]) as {
      discovery: string;
      retainSeconds: number;
    };
    assert.deepEqual([settings.discovery, settings.retainSeconds], ["endpoints", 600]);
  });

  it("own each control-plane node's key apart, and the ConfigMap without data", async () => {
    const recording = await recordStack({
      nodes: { m1: { address: "10.0.0.11" }, m2: { address: "fd00::12" } },
    });
    const configMap = recording.find(CONFIG_MAP, "backends-config-map");
    assert.equal(configMap.inputs["data"], undefined);
    assert.deepEqual(configMap.options.ignoreChanges, ["data"]);
    assert.deepEqual(metadata(configMap)["name"], "haproxy-backends");
    const patches = ["backends-m1", "backends-m2"].map((name) => recording.find(PATCH, name));
    assert.deepEqual(
      patches.map(({ inputs }) => inputs["data"]),
      [{ m1: "10.0.0.11:6443" }, { m2: "[fd00::12]:6443" }],
    );
    for (const patch of patches) {
      assert.deepEqual(metadata(patch)["annotations"], { "pulumi.com/patchForce": "true" });
    }
  });

  it("let a control-plane node's key go before the control-plane node", async () => {
    const recording = await recordStack();
    for (const name of ["m1", "m2", "m3"]) {
      const before = recording.dependencies(recording.find(PATCH, `backends-${name}`));
      assert.deepEqual(before.sort(), ["backends-config-map", `${name}-bootstrap`]);
    }
  });

  it("name the control-plane nodes for a host that leaves", async () => {
    const nodes = { m10: { address: "10.0.0.10" }, m2: { address: "10.0.0.2" } };
    const controlPlaneNodes = (await recordStack({ nodes })).find(
      PATCH,
      "backends-control-plane-nodes",
    );
    assert.deepEqual(metadata(controlPlaneNodes)["annotations"], {
      "pulumi.com/patchForce": "true",
      "control-plane-lb/control-plane-nodes": '["m10","m2"]',
    });
    assert.equal(controlPlaneNodes.inputs["data"], undefined);
  });

  it("stay as they are when a backend changes, apart from its key", async () => {
    const inputs = async (last: number) => {
      const m2 = { address: `10.0.0.${last}`, sshHost: "m2.example" };
      const nodes = { m1: { address: "10.0.0.11" }, m2 };
      const recording = await recordStack({ nodes });
      return new Map(
        recording.resources
          .filter(({ type }) => type.startsWith("kubernetes:"))
          .map((resource) => [resource.name, JSON.stringify(resource.inputs)]),
      );
    };
    const [first, second] = [await inputs(12), await inputs(22)];
    assert.deepEqual(
      [...first.keys()].filter((name) => first.get(name) !== second.get(name)),
      ["backends-m2"],
    );
  });
});

// pointers, maps and lists: here the API keeps a false, 0, {} or "" that was said
const KEPT =
  /(automountServiceAccountToken|enableServiceLinks|allowPrivilegeEscalation|maxSurge|emptyDir|apiGroups\[0\]|\.nodeSelector\..*)$/;

/** Paths of all that is false, 0 or empty. */
function emptyPaths(value: unknown, path: string): string[] {
  if (value === false || value === 0 || value === "") return [path];
  if (typeof value !== "object" || value === null) return [];
  const entries: [string, unknown][] = Array.isArray(value)
    ? value.map((item, index) => [`[${index}]`, item as unknown])
    : Object.entries(value).map(([key, item]) => [`.${key}`, item]);
  if (entries.length === 0) return [path];
  return entries.flatMap(([key, item]) => emptyPaths(item, path + key));
}

describe("objects in the cluster", () => {
  for (const changes of [{}, { discovery: "both" }, { daemonset: { variant: "mounted" } }]) {
    it(`say nothing that the API drops, as each later preview would show it: ${JSON.stringify(changes)}`, async () => {
      const recording = await recordStack(changes);
      const dropped = recording.resources
        .filter(({ type }) => type.startsWith("kubernetes:"))
        .flatMap(({ name, inputs }) => emptyPaths(inputs, name))
        .filter((path) => !KEPT.test(path));
      assert.deepEqual(dropped, []);
    });
  }
});

describe("a cluster that exists", () => {
  it("is used by its kubeconfig, and kubeadm runs nowhere", async () => {
    const recording = await recordStack({ bootstrap: "none", kubeconfig: "given" });
    assert.deepEqual(
      recording.all(COMMAND).map(({ name }) => name.replace(/^m\d-/, "")),
      ["preflight", "preflight", "preflight", "forward", "forward", "forward"],
    );
    const provider = recording.find(PROVIDER, "cluster");
    assert.equal(provider.inputs["kubeconfig"], "given");
    assert.ok(provider.secretInputs.includes("kubeconfig"));
    assert.deepEqual(recording.dependencies(provider).sort(), [
      "m1-forward",
      "m2-forward",
      "m3-forward",
    ]);
  });

  it("has its certificates looked at, when the kubeconfig says by which CA", async () => {
    const cluster = { "certificate-authority-data": Buffer.from(CA).toString("base64") };
    const kubeconfig = JSON.stringify({ clusters: [{ name: "c", cluster }] });
    const recording = await recordStack({ bootstrap: "none", kubeconfig });
    const look = String(recording.find(COMMAND, "m1-preflight").inputs["stdin"]);
    assert.match(look, /check_certificate 'm3' '10\.0\.0\.13:6443'/);
  });
});

describe("the DaemonSet", () => {
  const pod = async (changes: Record<string, unknown> = {}) => {
    const recording = await recordStack(changes);
    const daemonSet = recording.find(DAEMON_SET, "haproxy-daemon-set");
    const { template } = daemonSet.inputs["spec"] as {
      template: { metadata: Record<string, unknown>; spec: Pod };
    };
    return { recording, daemonSet, template, spec: template.spec };
  };

  it("starts with rights and all backends in place", async () => {
    const { recording, daemonSet } = await pod();
    assert.deepEqual(recording.dependencies(daemonSet).sort(), [
      "access-role-binding",
      "backends-m1",
      "backends-m2",
      "backends-m3",
      "haproxy-updater",
    ]);
  });

  it("runs on every control-plane node whatever its state, with a share of the CPU", async () => {
    const { spec } = await pod();
    assert.equal(spec["hostNetwork"], true);
    assert.deepEqual(spec["nodeSelector"], { "node-role.kubernetes.io/control-plane": "" });
    assert.deepEqual(spec["tolerations"], [{ operator: "Exists" }]);
    assert.equal(spec["priorityClassName"], "system-node-critical");
    assert.deepEqual(container(spec, "haproxy")["resources"], {
      requests: { cpu: "500m", memory: "64Mi" },
    });
  });

  it("has no rights on the host and none in the cluster but the updater's token", async () => {
    const { spec } = await pod();
    assert.deepEqual(spec["securityContext"], {
      runAsNonRoot: true,
      runAsUser: 99,
      runAsGroup: 99,
      fsGroup: 99,
      seccompProfile: { type: "RuntimeDefault" },
    });
    const all = [...spec.initContainers, ...spec.containers];
    assert.deepEqual(
      all.map(({ name }) => name),
      ["copy-binary", "prepare", "haproxy", "updater"],
    );
    for (const each of all) {
      assert.deepEqual(each["securityContext"], {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
    }
    assert.equal(spec["automountServiceAccountToken"], false);
    assert.deepEqual(
      all.filter(({ volumeMounts }) => volumeMounts.some(({ name }) => name === "token")),
      [container(spec, "updater")],
    );
    assert.equal(JSON.stringify(spec["volumes"]).includes("hostPath"), false);
  });

  it("gives the token to what checks with it before HAProxy starts, and to HAProxy never", async () => {
    const { spec } = await pod({ haproxy: { checks: { authentication: "token" } } });
    const holders = [...spec.initContainers, ...spec.containers].filter(({ volumeMounts }) =>
      volumeMounts.some(({ name }) => name === "token"),
    );
    assert.deepEqual(
      holders.map(({ name }) => name),
      ["prepare", "updater"],
    );
  });

  it("replaces one pod at a time, and never two on one node", async () => {
    const { daemonSet } = await pod();
    const spec = daemonSet.inputs["spec"] as Record<string, unknown>;
    assert.deepEqual(spec["updateStrategy"], {
      type: "RollingUpdate",
      rollingUpdate: { maxUnavailable: 1, maxSurge: 0 },
    });
  });

  it("asks HAProxy itself for its health, kills it soon when it hangs, and stops it softly after its pre-stop handover", async () => {
    const { spec } = await pod({
      ports: { health: 7000 },
      haproxy: { hardStopAfter: "90500ms" },
    });
    const haproxy = container(spec, "haproxy");
    const httpGet = { path: "/healthz", port: 7000, scheme: "HTTP" };
    for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"]) {
      assert.deepEqual((haproxy[probe] as Record<string, unknown>)["httpGet"], httpGet, probe);
    }
    assert.deepEqual(haproxy["livenessProbe"], {
      httpGet,
      periodSeconds: 1,
      timeoutSeconds: 1,
      failureThreshold: 2,
      terminationGracePeriodSeconds: 1,
    });
    // then the image's own SIGUSR1
    assert.deepEqual(haproxy["lifecycle"], {
      preStop: { httpGet: { ...httpGet, host: "127.0.64.44", path: "/prestop" } },
    });
    assert.equal(spec["terminationGracePeriodSeconds"], 111);
  });

  for (const kind of ["nftables", "iptables", "socat"]) {
    const knows = kind === "nftables";
    it(`${knows ? "makes kubelet ask HAProxy for a pre-stop handover" : "asks for no pre-stop handover"} to a forward of kind ${kind}, in both variants`, async () => {
      const forward = { kind };
      const sidecar = await pod({ forward });
      const data = sidecar.recording.find(CONFIG_MAP, "haproxy-updater").inputs["data"];
      const settings = JSON.parse((data as { "settings.json": string })["settings.json"]) as {
        haproxy: { preStopHandover: boolean };
      };
      assert.equal(settings.haproxy.preStopHandover, knows);
      const mounted = await pod({ forward, daemonset: { variant: "mounted" } });
      const patch = mounted.recording.find(PATCH, "backends-haproxy.cfg").inputs["data"];
      assert.equal(JSON.stringify(patch).includes("/prestop"), knows);
      for (const { spec } of [sidecar, mounted]) {
        assert.equal(container(spec, "haproxy")["lifecycle"] !== undefined, knows);
      }
    });
  }

  it("takes images and their pull secrets from the settings", async () => {
    const { spec } = await pod({
      haproxy: { image: "mirror.example:5000/haproxy@sha256:" + "a".repeat(64) },
      updater: { image: "mirror.example/node:22" },
      imagePullSecrets: ["mirror"],
    });
    assert.deepEqual(spec["imagePullSecrets"], [{ name: "mirror" }]);
    assert.match(String(container(spec, "haproxy")["image"]), /^mirror\.example:5000\/haproxy@/);
    assert.equal(container(spec, "prepare")["image"], "mirror.example/node:22");
    assert.equal(container(spec, "updater")["image"], "mirror.example/node:22");
    assert.equal((await pod()).spec["imagePullSecrets"], undefined);
  });

  it("rolls when the updater's settings change, and not when a backend does", async () => {
    const annotations = async (changes: Record<string, unknown>) =>
      (await pod(changes)).template.metadata["annotations"];
    const first = await annotations({});
    assert.deepEqual(await annotations({ nodes: { m1: { address: "10.0.0.99" } } }), first);
    assert.notDeepEqual(await annotations({ updater: { drain: "5s" } }), first);
  });

  it("has the updater check haproxy.cfg with a copy of the very binary, unless told not to", async () => {
    const { recording, spec } = await pod();
    const copy = container(spec, "copy-binary");
    assert.equal(copy["image"], container(spec, "haproxy")["image"]);
    const writers = [...spec.initContainers, ...spec.containers].filter(({ volumeMounts }) =>
      volumeMounts.some(({ name, readOnly }) => name === "binary" && !readOnly),
    );
    assert.deepEqual(writers, [copy]);
    for (const name of ["prepare", "updater"]) {
      assert.ok(container(spec, name).volumeMounts.some((mount) => mount.name === "binary"));
    }
    const checkCommand = (data: Recorded) =>
      (
        JSON.parse((data.inputs["data"] as Record<string, string>)["settings.json"] ?? "") as {
          checkCommand?: string[];
        }
      ).checkCommand;
    const { mountPath } = copy.volumeMounts[0] as { mountPath?: string };
    const settings = recording.find(CONFIG_MAP, "haproxy-updater");
    assert.deepEqual(checkCommand(settings), [
      `${mountPath}/copy/loader`,
      "--library-path",
      `${mountPath}/copy/lib`,
      `${mountPath}/copy/haproxy`,
      "-c",
      "-f",
    ]);
    const without = await pod({ updater: { checkConfig: false } });
    assert.deepEqual(
      without.spec.initContainers.map(({ name }) => name),
      ["prepare"],
    );
    assert.equal(checkCommand(without.recording.find(CONFIG_MAP, "haproxy-updater")), undefined);
  });

  it("gives the updater settings that hold no secret and no control-plane node's own address", async () => {
    const { recording } = await pod();
    const data = recording.find(CONFIG_MAP, "haproxy-updater").inputs["data"] as {
      "settings.json": string;
      "updater.js": string;
    };
    assert.doesNotMatch(data["settings.json"], /10\.0\.0\.|very secret/);
    const settings = JSON.parse(data["settings.json"]) as Record<string, unknown>;
    assert.deepEqual((settings["haproxy"] as { listen: string[] }).listen, ["${HOST_IP}"]);
    assert.ok(data["updater.js"].length > 1000);
  });
});

describe("the DaemonSet with a mounted configuration", () => {
  const VARIANT = { daemonset: { variant: "mounted" } };
  const stack = async (changes: Record<string, unknown> = {}) => {
    const recording = await recordStack({ ...VARIANT, ...changes });
    const daemonSet = recording.find(DAEMON_SET, "haproxy-daemon-set");
    const { template } = daemonSet.inputs["spec"] as {
      template: { metadata: Record<string, unknown>; spec: Pod };
    };
    return { recording, daemonSet, template, spec: template.spec };
  };
  const config = (recording: { find: (type: string, name: string) => Recorded }) =>
    (recording.find(PATCH, "backends-haproxy.cfg").inputs["data"] as Record<string, string>)[
      "haproxy.cfg"
    ] ?? "";

  it("has no credential in the pod, and no rights in the cluster", async () => {
    const { recording, spec } = await stack();
    const types = recording.resources.map(({ type }) => type);
    assert.deepEqual(
      types.filter((type) => /rbac|ServiceAccount|core\/v1:Secret/.test(type)),
      [],
    );
    assert.equal(spec["automountServiceAccountToken"], false);
    assert.equal(spec["serviceAccountName"], undefined);
    assert.doesNotMatch(JSON.stringify(spec["volumes"]), /projected|secret|hostPath/i);
    assert.equal(spec["initContainers"], undefined);
    assert.deepEqual(
      spec.containers.map(({ name }) => name),
      ["haproxy"],
    );
    assert.equal(recording.resources.filter(({ name }) => name === "haproxy-updater").length, 0);
  });

  it("is otherwise HAProxy as in the other variant", async () => {
    const [{ spec: mounted }, other] = [await stack(), await recordStack()];
    const { template } = other.find(DAEMON_SET, "haproxy-daemon-set").inputs["spec"] as {
      template: { spec: Pod };
    };
    const without = (object: object, ...names: string[]) =>
      Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
    const common = ({ spec }: { spec: Pod }) => [
      without(spec, "volumes", "initContainers", "serviceAccountName", "containers"),
      without(container(spec, "haproxy"), "command", "volumeMounts"),
    ];
    assert.deepEqual(common({ spec: mounted }), common(template));
  });

  it("has haproxy.cfg in the ConfigMap, with the configured control-plane nodes, after all of them", async () => {
    const { recording, daemonSet, spec } = await stack({
      nodes: { m1: { address: "10.0.0.11" }, m2: { address: "fd00::12" } },
    });
    const text = config(recording);
    assert.match(text, /^ {2}server m1:10\.0\.0\.11:6443 10\.0\.0\.11:6443 # m1$/m);
    assert.match(text, /^ {2}server m2:fd00::12:6443 \[fd00::12\]:6443 # m2$/m);
    assert.doesNotMatch(text, /updater/);
    assert.match(text, /\n# End of haproxy\.cfg\n$/);
    const patches = recording.all(PATCH).map(({ name }) => name);
    assert.deepEqual(patches.sort(), ["backends-control-plane-nodes", "backends-haproxy.cfg"]);
    const patch = recording.find(PATCH, "backends-haproxy.cfg");
    assert.deepEqual(recording.dependencies(patch).sort(), [
      "backends-config-map",
      "m1-bootstrap",
      "m2-bootstrap",
    ]);
    assert.deepEqual(recording.dependencies(daemonSet), ["backends-haproxy.cfg"]);
    const volumes = spec["volumes"] as { name: string; configMap?: Record<string, unknown> }[];
    assert.equal(
      volumes.find(({ name }) => name === "mounted")?.configMap?.["name"],
      "haproxy-backends",
    );
  });

  it("changes nothing but the ConfigMap when a backend changes, or a setting of HAProxy", async () => {
    const inputs = async (changes: Record<string, unknown>) => {
      const { recording } = await stack(changes);
      return new Map(
        recording.resources
          .filter(({ type }) => type.startsWith("kubernetes:"))
          .map((resource) => [resource.name, JSON.stringify(resource.inputs)]),
      );
    };
    const first = await inputs({});
    for (const changes of [
      {
        nodes: {
          m1: { address: "10.0.0.11" },
          m2: { address: "10.0.0.22" },
          m3: { address: "10.0.0.13" },
        },
      },
      { haproxy: { timeouts: { connect: "900ms" } } },
    ]) {
      const second = await inputs(changes);
      assert.deepEqual(
        [...first.keys()].filter((name) => first.get(name) !== second.get(name)),
        ["backends-haproxy.cfg"],
      );
    }
  });
});

describe("outputs of the stack", () => {
  it("are the endpoint, and the kubeconfig as a secret", async () => {
    const { result } = await recordStack({ endpoint: { host: "fd00::10", port: 7443 } });
    assert.equal(result.endpoint, "https://[fd00::10]:7443");
    assert.equal(await valueOf(result.kubeconfig), KUBECONFIG);
    assert.equal(
      await (result.kubeconfig as unknown as { isSecret: Promise<boolean> }).isSecret,
      true,
    );
  });
});

interface Container extends Record<string, unknown> {
  readonly name: string;
  readonly volumeMounts: readonly { readonly name: string; readonly readOnly?: boolean }[];
}

interface Pod extends Record<string, unknown> {
  readonly initContainers: readonly Container[];
  readonly containers: readonly Container[];
}

function container(spec: Pod, name: string): Container {
  const found = [...(spec.initContainers ?? []), ...spec.containers].find(
    (each) => each.name === name,
  );
  assert.ok(found, `container ${name}`);
  return found;
}

function metadata(resource: Recorded): Record<string, unknown> {
  return resource.inputs["metadata"] as Record<string, unknown>;
}
