import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "mocha";
import { makeIntermediateCa } from "../../haproxy/support/certificates";
import { loadBalancersOf, readSettings } from "../../../stacks/settings";
import { example, HOST_KEY, validationErrors, read, environment } from "./example";

describe("conflicts between settings", () => {
  it("refuses two nodes on one address, however it is written", () => {
    assert.deepEqual(
      validationErrors({ nodes: { m1: { address: "fd00::11" }, m2: { address: "fd00:0:0::11" } } }),
      ["nodes.m2.address: fd00:0:0::11 is nodes.m1.address already: one host is one node"],
    );
  });

  it("reports a duplicate beside a node that is wrong by itself", () => {
    const address = "10.0.0.11";
    const lines = validationErrors({
      nodes: { m1: { address }, m2: { address }, m3: { address: "x" } },
    });
    assert.deepEqual(
      lines.map((line) => line.split(":")[0]),
      ["nodes.m3.address", "nodes.m2.address"],
    );
  });

  it("refuses a port that is used twice, or by a process of a control-plane node", () => {
    assert.deepEqual(
      validationErrors({
        endpoint: { host: "h", port: 10250 },
        ports: { health: 6443 },
      }),
      [
        "endpoint.port: 10250 is the port of the kubelet on every control-plane node",
        "ports.health: 6443 is ports.api already: each needs its own",
      ],
    );
  });

  it("accepts the API servers' port, and Kubernetes' own, on dedicated load-balancer hosts", () => {
    const dedicated = { topology: "external", loadBalancers: { lb1: { address: "10.0.0.21" } } };
    const port = (endpoint: number, health = 6445) =>
      ({ ...dedicated, endpoint: { host: "h", port: endpoint }, ports: { health } }) as const;
    assert.equal(read(port(6443)).ports.lb, 6443);
    assert.equal(read(port(6444, 6443)).ports.health, 6443);
    assert.equal(read(port(10250)).ports.lb, 10250);
    assert.deepEqual(validationErrors(port(6443, 6443)), [
      "ports.health: 6443 is endpoint.port already: each needs its own",
    ]);
    assert.deepEqual(validationErrors({ ...port(6443), ports: { api: 2379 } }), [
      "ports.api: 2379 is the port of etcd on every control-plane node",
    ]);
    assert.deepEqual(validationErrors({ ...port(6443), loadBalancers: {} }), [
      "ports.api: 6443 is endpoint.port already: each needs its own",
    ]);
  });

  it("refuses a port below 1024 where HAProxy is a pod without root", () => {
    const low = { endpoint: { host: "h", port: 443 }, ports: { health: 81 } };
    assert.deepEqual(
      validationErrors(low).map((line) => line.split(":")[0]),
      ["endpoint.port", "ports.health"],
    );
    const { ports } = read({ ...low, topology: "external" });
    assert.deepEqual([ports.lb, ports.health], [443, 81]);
  });

  it("refuses settings that need an updater where there is none", () => {
    const checks = { authentication: "token" };
    const mounted = { daemonset: { variant: "mounted" }, haproxy: { checks } };
    assert.deepEqual(
      validationErrors({ ...mounted, discovery: "both" }).map((line) => line.split(":")[0]),
      ["discovery", "haproxy.checks.authentication"],
    );
    const external = read({ topology: "external", haproxy: { checks } });
    assert.equal(external.haproxy.checks.authentication, "token");
    assert.equal(read({ haproxy: { checks }, discovery: "endpoints" }).discovery, "endpoints");
  });

  it("refuses an allow list without a control-plane node", () => {
    assert.deepEqual(validationErrors({ allow: ["10.0.0.0/30", "10.0.0.12/31"] }), [
      "allow: does not hold nodes.m1.address 10.0.0.11: its kubelet and kubeadm use the endpoint; add 10.0.0.11/32 or its network",
    ]);
    assert.equal(read({ allow: ["10.0.0.0/8"] }).allow.length, 1);
  });

  it("refuses ownAddress settings that no control-plane node meets", () => {
    assert.deepEqual(
      validationErrors({ ownAddress: { interface: "eth0", subnet: "10.0.0.0/8" } }),
      ["ownAddress: has interface and subnet: leave one of them out"],
    );
    assert.match(
      validationErrors({ ownAddress: { subnet: "10.0.1.0/24" } })[0] ?? "",
      /^ownAddress.subnet: 10.0.1.0\/24 does not hold nodes.m1.address/,
    );
    assert.deepEqual(read({ ownAddress: { subnet: "10.0.0.0/24" } }).ownAddress, {
      from: "subnet",
      subnet: "10.0.0.0/24",
    });
  });

  it("demands a kubeconfig for a cluster that exists, and refuses keys that then have no effect", () => {
    const lines = validationErrors({
      bootstrap: "none",
      kubeadm: { certSANs: ["lb.example"] },
      clusterName: "mine",
    });
    assert.deepEqual(
      lines.map((line) => line.split(":")[0]),
      ["kubeconfig", "kubeadm.certSANs", "clusterName"],
    );
    assert.equal(read({ bootstrap: "none", kubeconfig: "{}" }).kubeconfig, "{}");
  });

  it("refuses a kubeconfig for a cluster that kubeadm makes", () => {
    assert.match(
      validationErrors({ kubeconfig: "text" })[0] ?? "",
      /^kubeconfig: set, but bootstrap kubeadm/,
    );
  });

  it("refuses a kubeadm fragment with a key that another setting owns", () => {
    const clusterConfiguration = { controlPlaneEndpoint: "x:1", networking: {} };
    assert.deepEqual(validationErrors({ kubeadm: { clusterConfiguration } }), [
      "kubeadm.clusterConfiguration.controlPlaneEndpoint: comes from the setting endpoint: set it there",
    ]);
  });

  it("refuses a node that is both lost and away", () => {
    const nodes = {
      m1: { address: "10.0.0.11" },
      m2: { address: "10.0.0.12", lost: true, away: true },
    };
    assert.deepEqual(validationErrors({ nodes }), [
      "nodes.m2: is both lost and away: lost is gone for good, away comes back",
    ]);
  });

  it("demands one node that is not lost, and at most nine nodes", () => {
    assert.match(
      validationErrors({ nodes: { m1: { address: "10.0.0.11", lost: true } } })[0] ?? "",
      /^nodes: all are lost or away/,
    );
    const nodes = Object.fromEntries(
      Array.from({ length: 10 }, (_, n) => [`m${n}`, { address: `10.0.0.${n + 1}` }]),
    );
    assert.deepEqual(validationErrors({ nodes }), ["nodes: got 10, expected 1 to 9"]);
  });

  it("refuses a fast interval that is longer than the interval", () => {
    assert.match(
      validationErrors({ haproxy: { checks: { interval: "100ms" } } })[0] ?? "",
      /^haproxy.checks.fastInterval: got 200ms, expected at most haproxy.checks.interval \(100ms\)/,
    );
  });
});

describe("the endpoint's addresses", () => {
  const VIRTUAL = "10.0.0.100";
  const endpoint = (host: string, addresses: string[] = []) => ({ endpoint: { host, addresses } });

  it("are those on which HAProxy listens, or that something else provides", () => {
    assert.deepEqual(validationErrors(endpoint(VIRTUAL)), [
      "endpoint.host: HAProxy does not listen on 10.0.0.100: use the address of a load-balancer host (m1 10.0.0.11, m2 10.0.0.12, m3 10.0.0.13), make it virtualIp.address, or list it under endpoint.addresses if something else provides it (keepalived, kube-vip, a hardware load balancer)",
    ]);
    assert.equal(read(endpoint("10.0.0.13")).endpoint.host, "10.0.0.13");
    const settings = read(endpoint(VIRTUAL, [VIRTUAL, "fd00:0::100"]));
    assert.deepEqual(settings.endpoint.addresses, [VIRTUAL, "fd00::100"]);
    assert.deepEqual(settings.ownAddress, { from: "route", not: [VIRTUAL, "fd00::100"] });
  });

  it("are those of the dedicated hosts where there are some", () => {
    const dedicated = { topology: "external", loadBalancers: { lb1: { address: "10.0.0.21" } } };
    assert.match(
      validationErrors({ ...dedicated, ...endpoint("10.0.0.11") })[0] ?? "",
      /^endpoint.host: HAProxy does not listen on 10.0.0.11: .* \(lb1 10.0.0.21\)/,
    );
    assert.equal(read({ ...dedicated, ...endpoint("10.0.0.21") }).endpoint.host, "10.0.0.21");
  });

  it("hold no machine's own address, and none twice", () => {
    assert.deepEqual(validationErrors(endpoint("lb.example", ["10.0.0.12", VIRTUAL, VIRTUAL])), [
      "endpoint.addresses[0]: 10.0.0.12 is nodes.m2.address: leave it out here",
      "endpoint.addresses[2]: 10.0.0.100 stands there already: leave it out",
    ]);
  });
});

describe("SSH targets", () => {
  const ssh = { hostKey: HOST_KEY, privateKeyFile: "~/key" };

  it("need a host key for every node and for the bastion, and the error says where to get it", () => {
    const lines = validationErrors({
      ssh: { privateKeyFile: "~/key", bastion: { host: "jump.example" } },
      nodes: { m1: { address: "10.0.0.11", hostKey: HOST_KEY }, m2: { address: "10.0.0.12" } },
    });
    assert.deepEqual(
      lines.map((line) => line.split(":")[0]),
      ["ssh.bastion.hostKey", "nodes.m2.hostKey"],
    );
    assert.match(lines[1] ?? "", /ssh-keyscan -t ed25519 10\.0\.0\.12/);
  });

  it("refuse a host key with the host's name in front", () => {
    const [line] = validationErrors({ ssh: { ...ssh, hostKey: `10.0.0.11 ${HOST_KEY}` } });
    assert.match(line ?? "", /^ssh.hostKey: got .*expected a public host key/);
  });

  it("refuse an RSA host key, with which the provider cannot connect", () => {
    const rsa = `ssh-rsa AAAAB3NzaC1yc2E${"A".repeat(357)}`;
    const [line] = validationErrors({ ssh: { ...ssh, hostKey: rsa } });
    assert.match(line ?? "", /^ssh.hostKey: got .*use the host's ed25519 or ecdsa key/);
    const values: Record<string, unknown> = {
      ...example(),
      ssh: { privateKeyFile: "~/key", hostKeyFile: "rsa.pub" },
    };
    const readFile = (path: string) => (path === "rsa.pub" ? rsa : environment.readFile(path));
    assert.throws(
      () => readSettings((key) => values[key], [], { ...environment, readFile }),
      /ssh.hostKeyFile: rsa.pub holds an RSA key: use the host's ed25519 or ecdsa key/,
    );
  });

  it("report a file that cannot be read or holds something else", () => {
    assert.deepEqual(validationErrors({ ssh: { ...ssh, privateKeyFile: "gone" } }), [
      "ssh.privateKeyFile: cannot be read: ENOENT: no such file or directory, open 'gone'",
    ]);
    assert.deepEqual(validationErrors({ ssh: { hostKeyFile: "~/key", privateKeyFile: "~/key" } }), [
      'ssh.hostKeyFile: ~/key holds no single public host key like "ssh-ed25519 AAAA..."',
    ]);
  });

  it("refuse text and file for one key", () => {
    const lines = validationErrors({ ssh: { ...ssh, privateKey: "x", hostKeyFile: "host.pub" } });
    assert.deepEqual(lines, [
      "ssh.privateKeyFile: set beside ssh.privateKey: leave one of them out",
      "ssh.hostKeyFile: set beside ssh.hostKey: leave one of them out",
    ]);
  });

  it("need no credentials in a preview, which says what is missing", () => {
    const seen = (given: object) => {
      const values: Record<string, unknown> = {
        ...example(),
        ssh: { hostKey: HOST_KEY, ...given },
      };
      const reasons: string[] = [];
      const withoutCredentials = (reason: string) => void reasons.push(reason);
      const settings = readSettings((key) => values[key], [], {
        ...environment,
        withoutCredentials,
      });
      return [settings.nodes.map((each) => each.ssh.unknownCredentials === true), reasons] as const;
    };
    const [unknown, [reason, ...more]] = seen({});
    assert.deepEqual([unknown, more], [[true, true, true], []]);
    assert.match(reason ?? "", /^ssh: no credentials: /);
    const [, reasons] = seen({ privateKeyFile: "gone", privateKeyPassword: "secret" });
    assert.deepEqual(reasons, [
      "ssh.privateKeyFile: cannot be read: ENOENT: no such file or directory, open 'gone'",
    ]);
    assert.deepEqual(seen({ privateKeyFile: "~/key" })[1], []);
  });

  it("need credentials, if only the environment's agent", () => {
    const values: Record<string, unknown> = { ...example(), ssh: { hostKey: HOST_KEY } };
    assert.match(validationErrors({ ssh: values["ssh"] })[0] ?? "", /^ssh: no credentials/);
    const env = { SSH_AUTH_SOCK: "/tmp/agent" };
    const settings = readSettings((key) => values[key], [], { ...environment, env });
    assert.equal(settings.nodes[0]?.ssh.privateKey, undefined);
  });
});

describe("load-balancer hosts", () => {
  const external = { topology: "external" };
  const lb1 = { address: "10.0.0.21" };

  it("are the control-plane nodes unless some are named", () => {
    assert.deepEqual(
      loadBalancersOf(read(external)).map(({ name }) => name),
      ["m1", "m2", "m3"],
    );
    const settings = read({ ...external, loadBalancers: { lb1 } });
    assert.deepEqual(
      loadBalancersOf(settings).map(({ name }) => name),
      ["lb1"],
    );
    assert.deepEqual(settings.loadBalancers[0]?.ssh.host, "10.0.0.21");
  });

  it("share no name and no address with a control-plane node, and one of them is not lost", () => {
    assert.deepEqual(validationErrors({ ...external, loadBalancers: { m1: lb1 } }), [
      "loadBalancers.m1: is the name of a control-plane node too: each host needs its own (without loadBalancers, HAProxy runs on the control-plane nodes)",
    ]);
    assert.deepEqual(
      validationErrors({ ...external, loadBalancers: { lb1: { address: "10.0.0.12" } } }),
      ["loadBalancers.lb1.address: 10.0.0.12 is nodes.m2.address already: one host is one node"],
    );
    assert.deepEqual(
      validationErrors({ ...external, loadBalancers: { lb1: { ...lb1, lost: true } } }),
      ["loadBalancers: all are lost or away: at least one must be reachable"],
    );
  });

  it("need the CA of a cluster that exists", () => {
    const [first] = validationErrors({
      ...external,
      bootstrap: "none",
      kubeconfig: "clusters: []",
    });
    assert.match(first ?? "", /^kubeconfig: holds no certificate-authority-data: /);
  });

  it("need the root of a CA that is an intermediate's", () => {
    const folder = mkdtempSync(join(tmpdir(), "conflicts-"));
    try {
      const { intermediate, root } = makeIntermediateCa(folder);
      const withCa = (ca: string) => {
        const data = Buffer.from(ca).toString("base64");
        const cluster = { "certificate-authority-data": data };
        const kubeconfig = JSON.stringify({ clusters: [{ name: "c", cluster }] });
        return { ...external, bootstrap: "none", kubeconfig };
      };
      assert.match(
        validationErrors(withCa(intermediate)).join(),
        /^kubeconfig: the CA certificate "CN=test-intermediate" is signed by "CN=test-root", which is not there: .* Append the root's certificate to certificate-authority-data$/,
      );
      read(withCa(`${intermediate}${root}`));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("settings of one topology", () => {
  const SERVICES = {
    loadBalancers: { lb1: { address: "10.0.0.21" } },
    haproxy: { takeOver: true },
    token: { generation: 2, delivery: "file" },
  };
  const PODS = {
    daemonset: { variant: "mounted" },
    forward: { kind: "socat" },
    haproxy: { image: "mirror.example/haproxy:3.0", resources: { requests: { cpu: "1" } } },
    updater: {
      image: "mirror.example/node:22",
      resources: { limits: { memory: "1Gi" } },
      checkConfig: false,
    },
    imagePullSecrets: ["mirror"],
  };

  it("are refused in the other topology", () => {
    const paths = (changes: Record<string, unknown>, topology: string, other: string) =>
      validationErrors({ ...changes, topology }).map((line) => {
        const message = `: has no effect in topology ${topology}: leave it out, or set topology to ${other}`;
        assert.ok(line.endsWith(message), line);
        return line.slice(0, -message.length);
      });
    assert.deepEqual(paths(SERVICES, "daemonset", "external"), [
      "loadBalancers",
      "haproxy.takeOver",
      "token.generation",
      "token.delivery",
    ]);
    assert.deepEqual(paths(PODS, "external", "daemonset"), [
      "daemonset.variant",
      "forward.kind",
      "haproxy.image",
      "haproxy.resources",
      "updater.image",
      "updater.resources",
      "updater.checkConfig",
      "imagePullSecrets",
    ]);
  });

  it("are accepted in their own topology, and in the other at their defaults", () => {
    assert.equal(read({ ...SERVICES, topology: "external" }).token.generation, 2);
    assert.equal(read(PODS).forward.kind, "socat");
    const quiet = { daemonset: { variant: "sidecar" }, forward: {}, imagePullSecrets: [] };
    assert.equal(read({ ...quiet, topology: "external" }).topology, "external");
    const token = { generation: 1, delivery: "environment" };
    assert.equal(read({ token, haproxy: { takeOver: false } }).topology, "daemonset");
  });

  it("hide no error in their values, nor an unknown topology", () => {
    assert.deepEqual(
      validationErrors({ topology: "external", forward: { kind: "pigeon" } }).map(
        (line) => line.split(":")[0],
      ),
      ["forward.kind"],
    );
    assert.deepEqual(
      validationErrors({ topology: "pods", ...SERVICES }).map((line) => line.split(":")[0]),
      ["topology"],
    );
  });
});
