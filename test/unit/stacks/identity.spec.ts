import assert from "node:assert/strict";
import { identityOf, refusals } from "../../../stacks/identity";
import { read } from "./example";

type Changes = Record<string, unknown>;

const identity = (changes: Changes = {}) => identityOf(read(changes));

const refused = (former: Changes, next: Changes): string[] =>
  refusals(identity(former), identity(next));

const nodes = (addresses: Readonly<Record<string, number>>, lost: readonly string[] = []) => ({
  nodes: Object.fromEntries(
    Object.entries(addresses).map(([name, last]) => [
      name,
      { address: `10.0.0.${last}`, ...(lost.includes(name) ? { lost: true } : {}) },
    ]),
  ),
});

const THREE = { m1: 11, m2: 12, m3: 13 };
const EXISTING = {
  bootstrap: "none",
  kubeconfig: JSON.stringify({
    clusters: [
      {
        name: "c",
        cluster: {
          "certificate-authority-data": Buffer.from("-----BEGIN CERTIFICATE-----\n").toString(
            "base64",
          ),
        },
      },
    ],
  }),
};

describe("the identity of a stack", () => {
  it("is the same for the same settings", () => assert.deepEqual(refused({}, {}), []));

  it("is known from the text that older stacks kept", () => {
    assert.deepEqual(refusals("daemonset", identity()), []);
    assert.match(refusals("external", identity())[0] ?? "", /was made with topology external/);
  });

  it("is unknown where the state is unreadable, field by field", () => {
    assert.deepEqual(refusals(7, identity()), []);
    const [first, ...others] = refusals({ endpoint: "lb", apiPort: 7 }, identity());
    assert.match(first ?? "", /^ports\.api was 7/);
    assert.deepEqual(others, []);
  });

  describe("refuses", () => {
    const cases: Record<string, [Changes, Changes, RegExp]> = {
      "another LB port": [
        {},
        { endpoint: { host: "lb.example", port: 7444 } },
        /^endpoint\.port was 6444, and the configuration says 7444; nothing was changed.*lb\.example:6444.*set it back to 6444, or follow "Change the endpoint or a port"/,
      ],
      "another endpoint": [
        {},
        { endpoint: { host: "10.0.0.11" } },
        /^endpoint\.host was lb\.example, and the configuration says 10\.0\.0\.11/,
      ],
      "another virtual IP": [
        { virtualIp: { address: "10.0.0.100" } },
        { virtualIp: { address: "10.0.0.101" } },
        /^virtualIp\.address was 10\.0\.0\.100, and the configuration says 10\.0\.0\.101; nothing was changed.*"Change the address" in docs\/virtual-ip\.md$/,
      ],
      "another port of the API servers": [
        {},
        { ports: { api: 6543 } },
        /^ports\.api was 6443, and the configuration says 6543/,
      ],
      "a machine under another name": [
        nodes(THREE),
        nodes({ m1: 11, cp2: 12, m3: 13 }),
        /^nodes\.cp2 has the address 10\.0\.0\.12 of nodes\.m2.*has its name for good.*Remove nodes\.m2, run pulumi up, add nodes\.cp2, run pulumi up$/,
      ],
      "a machine under another name that kubeadm no longer is to manage": [
        nodes(THREE),
        { ...EXISTING, ...nodes({ m1: 11, cp2: 12, m3: 13 }) },
        /^nodes\.cp2 has the address 10\.0\.0\.12 of nodes\.m2/,
      ],
      "another machine under the same name": [
        nodes(THREE),
        nodes({ ...THREE, m3: 23 }),
        /^nodes\.m3\.address was 10\.0\.0\.13, and the configuration says 10\.0\.0\.23.*a member of the cluster.*remove nodes\.m3/,
      ],
      "another load-balancer host under the same name": [
        { ...EXISTING, topology: "external", loadBalancers: { lb1: { address: "10.0.0.21" } } },
        { ...EXISTING, topology: "external", loadBalancers: { lb1: { address: "10.0.0.22" } } },
        /^loadBalancers\.lb1\.address was 10\.0\.0\.21.*with HAProxy/,
      ],
      "a load-balancer host that becomes a control-plane node": [
        { topology: "external", loadBalancers: { lb1: { address: "10.0.0.21" } } },
        { topology: "external", ...nodes({ ...THREE, m4: 21 }) },
        /^nodes\.m4 has the address 10\.0\.0\.21 of loadBalancers\.lb1/,
      ],
      "new control-plane nodes only": [
        nodes({ m1: 11 }),
        nodes({ m2: 12, m3: 13 }),
        /^no former control-plane node stays \(they were nodes\.m1\).*"All control-plane nodes are gone"/,
      ],
      "new control-plane nodes beside lost ones": [
        nodes({ m1: 11 }),
        nodes({ m1: 11, m2: 12 }, ["m1"]),
        /^no former control-plane node stays/,
      ],
      "control-plane nodes that leave the stack and would be reset": [
        { kubeadm: { resetOnDestroy: true } },
        EXISTING,
        /^bootstrap was kubeadm with kubeadm\.resetOnDestroy true.*would reset them.*Set kubeadm\.resetOnDestroy to false/,
      ],
    };
    for (const [name, [former, next, message]] of Object.entries(cases)) {
      it(name, () => {
        const messages = refused(former, next);
        assert.equal(messages.length, 1, messages.join("\n"));
        assert.match(messages[0] ?? "", message);
      });
    }
  });

  describe("allows", () => {
    const cases: Record<string, [Changes, Changes]> = {
      "a load-balancer host under another name": [
        { ...EXISTING, topology: "external", loadBalancers: { lb1: { address: "10.0.0.21" } } },
        { ...EXISTING, topology: "external", loadBalancers: { lba: { address: "10.0.0.21" } } },
      ],
      "a node of a cluster that exists under another name": [
        { ...EXISTING, ...nodes(THREE) },
        { ...EXISTING, ...nodes({ m1: 11, cp2: 12, m3: 13 }) },
      ],
      "nodes that come and go": [nodes(THREE), nodes({ m2: 12, m3: 13, m4: 14 })],
      "a node that is lost": [nodes(THREE), nodes(THREE, ["m2"])],
      "the address of a lost node under another name": [
        nodes(THREE, ["m3"]),
        nodes({ m1: 11, m2: 12, m4: 13 }),
      ],
      "another machine under the name of a lost node": [
        nodes(THREE, ["m3"]),
        nodes({ ...THREE, m3: 23 }),
      ],
      "control-plane nodes that leave the stack as they are": [{}, EXISTING],
      "another address of a node in a cluster that exists": [
        { ...EXISTING, ...nodes(THREE) },
        { ...EXISTING, ...nodes({ ...THREE, m3: 23 }) },
      ],
      "another name of the endpoint of a cluster that exists": [
        EXISTING,
        { ...EXISTING, endpoint: { host: "lb.example" } },
      ],
    };
    for (const [name, [former, next]] of Object.entries(cases)) {
      it(name, () => assert.deepEqual(refused(former, next), []));
    }
  });
});
