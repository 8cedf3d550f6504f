import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { PRE_STOP_HANDOVER } from "../../names";
import { recordStack } from "./record-stack";
import {
  container,
  containersOf,
  daemonSetOf,
  holdersOf,
  metadata,
  settingsOf,
  updaterConfigMap,
  updaterFiles,
} from "./support/objects";

const podOf = async (changes: Record<string, unknown> = {}) =>
  daemonSetOf(await recordStack(changes)).pod;

describe("the DaemonSet", () => {
  it("starts after its rights and all backends, when every node reaches the LB port of the others", async () => {
    const recording = await recordStack();
    assert.deepEqual(recording.dependencies(daemonSetOf(recording).daemonSet).sort(), [
      "access-role-binding",
      "backends-key-m1",
      "backends-key-m2",
      "backends-key-m3",
      updaterConfigMap(recording).name,
      ...["m1-reachability", "m2-reachability", "m3-reachability"],
    ]);
  });

  it("starts after its rights on the EndpointSlice, where it finds the backends there", async () => {
    const recording = await recordStack({ discovery: "endpoints" });
    const dependencies = recording.dependencies(daemonSetOf(recording).daemonSet);
    assert.ok(dependencies.includes("access-slice-role-binding"));
    // A first pod still starts with the ConfigMap that kubelet mounts.
    assert.ok(dependencies.includes("backends-key-m1"));
  });

  it("runs on every control-plane node, whatever its state", async () => {
    const pod = await podOf();
    assert.equal(pod["nodeSelector"], undefined);
    const exists = { key: "node-role.kubernetes.io/control-plane", operator: "Exists" };
    assert.deepEqual(pod["affinity"], {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [exists] }],
        },
      },
    });
    assert.deepEqual(pod["tolerations"], [{ operator: "Exists" }]);
    assert.equal(pod["priorityClassName"], "system-node-critical");
  });

  it("binds the node's own ports", async () => {
    assert.equal((await podOf())["hostNetwork"], true);
  });

  it("reserves CPU for HAProxy", async () => {
    assert.deepEqual(container(await podOf(), "haproxy")["resources"], {
      requests: { cpu: "500m", memory: "64Mi" },
    });
  });

  it("replaces one pod at a time, and never runs two on one node", async () => {
    const { daemonSet } = daemonSetOf(await recordStack());
    const { updateStrategy } = daemonSet.inputs["spec"] as Record<string, unknown>;
    assert.deepEqual(updateStrategy, {
      type: "RollingUpdate",
      rollingUpdate: { maxUnavailable: 1, maxSurge: 0 },
    });
  });

  it("takes images from the settings", async () => {
    const digest = `mirror.example:5000/haproxy@sha256:${"a".repeat(64)}`;
    const node = "mirror.example/node:22";
    const pod = await podOf({ haproxy: { image: digest }, updater: { image: node } });
    const images = containersOf(pod).map(({ name, image }) => [name, image]);
    assert.deepEqual(images, [
      ["copy-binary", digest],
      ["prepare", node],
      ["haproxy", digest],
      ["updater", node],
    ]);
  });

  it("takes pull secrets from the settings", async () => {
    const pod = await podOf({ imagePullSecrets: ["mirror"] });
    assert.deepEqual(pod["imagePullSecrets"], [{ name: "mirror" }]);
    assert.equal((await podOf())["imagePullSecrets"], undefined);
  });

  it("counts a new pod only when it has been ready for some seconds", async () => {
    const { daemonSet } = daemonSetOf(await recordStack());
    const { minReadySeconds } = daemonSet.inputs["spec"] as { minReadySeconds: number };
    assert.ok(minReadySeconds >= 5);
  });

  it("is in the state before its pods are replaced; the roll is followed apart", async () => {
    const recording = await recordStack();
    const { daemonSet } = daemonSetOf(recording);
    assert.deepEqual(metadata(daemonSet)["annotations"], {
      "pulumi.com/waitFor": "jsonpath={.metadata.name}=control-plane-lb",
    });
    const roll = recording.find("pulumi:index:Stash", "haproxy-roll");
    assert.deepEqual(recording.dependencies(roll), ["haproxy-daemon-set"]);
    const { nodes } = roll.inputs["input"] as { nodes: string[] };
    assert.deepEqual(nodes, ["m1", "m2", "m3"]);
  });

  it("is waited for by the provider where the kubeconfig has a command for its credentials", async () => {
    const recording = await recordStack({
      bootstrap: "none",
      kubeconfig: JSON.stringify({
        clusters: [{ name: "c", cluster: { server: "https://10.0.0.1:6443" } }],
        contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
        "current-context": "c",
        users: [{ name: "u", user: { exec: { command: "login" } } }],
      }),
    });
    assert.equal(metadata(daemonSetOf(recording).daemonSet)["annotations"], undefined);
    assert.ok(!recording.resources.some(({ name }) => name === "haproxy-roll"));
  });

  it("is given as much time as its settings may take", async () => {
    const recording = await recordStack({ haproxy: { hardStopAfter: "30m" } });
    const { create, update } = daemonSetOf(recording).daemonSet.options.customTimeouts;
    for (const text of [create, update]) {
      assert.ok(Number.parseInt(text ?? "", 10) > 3 * 1800, text);
    }
  });

  it("rolls when a setting of the updater changes", async () => {
    const annotations = async (changes: Record<string, unknown>) =>
      daemonSetOf(await recordStack(changes)).annotations;
    assert.notDeepEqual(await annotations({ updater: { drain: "5s" } }), await annotations({}));
  });

  it("does not roll when a backend changes", async () => {
    const annotations = async (changes: Record<string, unknown>) =>
      daemonSetOf(await recordStack(changes)).annotations;
    const moved = { nodes: { m1: { address: "10.0.0.99" } } };
    assert.deepEqual(await annotations(moved), await annotations({}));
  });
});

describe("the pod's rights", () => {
  it("are those of HAProxy's user without any capability", async () => {
    const pod = await podOf();
    const { runAsNonRoot, runAsUser } = pod["securityContext"] as Record<string, unknown>;
    assert.deepEqual({ runAsNonRoot, runAsUser }, { runAsNonRoot: true, runAsUser: 99 });
    for (const each of containersOf(pod)) {
      assert.deepEqual(
        each["securityContext"],
        {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
        each.name,
      );
    }
  });

  it("reach no file of the host", async () => {
    assert.doesNotMatch(JSON.stringify((await podOf())["volumes"]), /hostPath/);
  });

  it("give the API token to the updater alone", async () => {
    const pod = await podOf();
    assert.equal(pod["automountServiceAccountToken"], false);
    assert.deepEqual(holdersOf(pod, "token"), ["updater"]);
  });

  it("give the API token to `prepare` too, where health checks use it", async () => {
    const pod = await podOf({ haproxy: { checks: { authentication: "token" } } });
    assert.deepEqual(holdersOf(pod, "token"), ["prepare", "updater"]);
  });
});

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: number; readonly host?: string };
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly failureThreshold: number;
  readonly terminationGracePeriodSeconds: number;
}

describe("the updater's probes", () => {
  it("ask the updater itself, through HAProxy's health port", async () => {
    const updater = container(await podOf({ ports: { health: 7000 } }), "updater");
    const asked = (["readinessProbe", "livenessProbe"] as const).map((name) => {
      const { path, port } = (updater[name] as Probe).httpGet;
      return [path, port];
    });
    assert.deepEqual(asked, [
      ["/updater/ready", 7000],
      ["/updater/live", 7000],
    ]);
  });

  it("restart the updater alone, and not while HAProxy restarts", async () => {
    const updater = container(await podOf(), "updater")["livenessProbe"] as Probe;
    const haproxy = container(await podOf(), "haproxy")["startupProbe"] as Probe;
    const patience = updater.periodSeconds * updater.failureThreshold;
    assert.ok(patience >= haproxy.periodSeconds * haproxy.failureThreshold);
  });
});

describe("the ConfigMap of the updater", () => {
  it("is immutable, and another one for another content", async () => {
    const [first, second] = [await recordStack(), await recordStack({ updater: { drain: "5s" } })];
    const [one, other] = [updaterConfigMap(first), updaterConfigMap(second)];
    assert.equal(one.inputs["immutable"], true);
    assert.notEqual(metadata(one)["name"], metadata(other)["name"]);
    // two resources: the former one is deleted last, when the roll has ended well
    assert.notEqual(one.name, other.name);
    assert.equal(updaterConfigMap(await recordStack()).name, one.name);
  });

  it("is the one that the pods mount", async () => {
    const recording = await recordStack();
    const { volumes } = daemonSetOf(recording).pod as unknown as {
      volumes: { name: string; configMap?: { name: string } }[];
    };
    const mounted = volumes.find(({ name }) => name === "updater")?.configMap?.name;
    assert.equal(mounted, metadata(updaterConfigMap(recording))["name"]);
  });
});

describe("HAProxy's probes", () => {
  it("request HAProxy's health port, never the LB port, where the forward answers too", async () => {
    const haproxy = container(await podOf({ ports: { health: 7000 } }), "haproxy");
    for (const name of ["startupProbe", "readinessProbe", "livenessProbe"]) {
      const { path, port } = (haproxy[name] as Probe).httpGet;
      assert.deepEqual([path, port], ["/healthz", 7000], name);
    }
  });

  it("go over loopback, where no other machine can take HAProxy's places", async () => {
    const haproxy = container(await podOf(), "haproxy");
    for (const name of ["startupProbe", "readinessProbe", "livenessProbe"]) {
      assert.match((haproxy[name] as Probe).httpGet.host ?? "", /^127\./, name);
    }
  });

  it("kill a HAProxy that hangs within 5 s", async () => {
    const probe = container(await podOf(), "haproxy")["livenessProbe"] as Probe;
    const failed = probe.failureThreshold * (probe.periodSeconds + probe.timeoutSeconds);
    assert.ok(failed + probe.terminationGracePeriodSeconds <= 5);
  });

  it("leave HAProxy time to end its connections before kubelet kills it", async () => {
    const pod = await podOf({ haproxy: { hardStopAfter: "90500ms" } });
    assert.ok(Number(pod["terminationGracePeriodSeconds"]) > 91);
  });
});

describe("the pre-stop handover", () => {
  for (const kind of ["nftables", "iptables", "socat"]) {
    const supported = kind === "nftables";
    for (const variant of ["sidecar", "mounted"]) {
      it(`${supported ? "is" : "is not"} begun in HAProxy's container with a forward of kind ${kind}, variant ${variant}`, async () => {
        const pod = await podOf({ forward: { kind }, daemonset: { variant } });
        const { lifecycle } = container(pod, "haproxy") as {
          lifecycle?: { preStop: { exec: { command: string[] } } };
        };
        const [shell, , script] = lifecycle?.preStop.exec.command ?? [];
        assert.deepEqual(
          [shell, script?.includes(PRE_STOP_HANDOVER.address)],
          supported ? ["sh", true] : [undefined, undefined],
        );
      });
    }
  }

  it("needs a shell in HAProxy's image", async () => {
    const haproxy = container(await podOf({ updater: { checkConfig: false } }), "haproxy");
    assert.equal(haproxy["lifecycle"], undefined);
  });
});

describe("the copy of HAProxy's binary", () => {
  it("is written by a container of HAProxy's own image, and by no other", async () => {
    const pod = await podOf();
    const writers = containersOf(pod).filter(({ volumeMounts }) =>
      volumeMounts.some(({ name, readOnly }) => name === "binary" && readOnly !== true),
    );
    assert.deepEqual(
      writers.map(({ image }) => image),
      [container(pod, "haproxy").image],
    );
  });

  it("checks haproxy.cfg for the updater", async () => {
    const recording = await recordStack();
    const { pod } = daemonSetOf(recording);
    const folder = container(pod, "copy-binary").volumeMounts[0]?.mountPath ?? "";
    const [program, ...rest] = settingsOf(recording).checkCommand ?? [];
    assert.ok(program?.startsWith(`${folder}/`), program);
    assert.deepEqual(rest.slice(-2), ["-c", "-f"]);
    assert.deepEqual(holdersOf(pod, "binary"), ["copy-binary", "prepare", "updater"]);
  });

  it("is not made with updater.checkConfig false", async () => {
    const recording = await recordStack({ updater: { checkConfig: false } });
    assert.deepEqual(
      daemonSetOf(recording).pod.initContainers?.map(({ name }) => name),
      ["prepare"],
    );
    assert.equal(settingsOf(recording).checkCommand, undefined);
  });
});

describe("the updater's files", () => {
  it("hold no secret and no address of a node, so that all pods share them", async () => {
    const files = updaterFiles(await recordStack());
    assert.doesNotMatch(files["settings.json"] ?? "", /10\.0\.0\.|very secret/);
  });

  it("hold the bundled script", async () => {
    assert.ok((updaterFiles(await recordStack())["updater.js"] ?? "").length > 1000);
  });

  it("let HAProxy listen on the node's own address", async () => {
    assert.deepEqual(settingsOf(await recordStack()).haproxy.listen, ["${HOST_IP}"]);
  });

  it("hold the operator's settings", async () => {
    const { discovery, drainSeconds, retainSeconds } = settingsOf(
      await recordStack({ discovery: "endpoints", updater: { drain: "5s", retain: "10m" } }),
    );
    assert.deepEqual([discovery, drainSeconds, retainSeconds], ["endpoints", 5, 600]);
  });
});
