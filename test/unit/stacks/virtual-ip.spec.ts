import assert from "node:assert/strict";
import { read, validationErrors } from "./example";

const ADDRESS = "10.0.0.100";

describe("the virtual IP in the configuration", () => {
  it("is one of the endpoint's addresses, and no host's own", () => {
    const { endpoint, ownAddress, virtualIp } = read({
      endpoint: { host: ADDRESS, addresses: ["10.0.0.200"] },
      virtualIp: { address: ADDRESS },
    });
    assert.deepEqual(endpoint.addresses, [ADDRESS, "10.0.0.200"]);
    assert.deepEqual(ownAddress.not, [ADDRESS, "10.0.0.200"]);
    assert.deepEqual(virtualIp, { address: ADDRESS, peers: [] });
  });

  it("is canonical", () => {
    const nodes = { m1: { address: "fd00::11" } };
    const { virtualIp } = read({ nodes, virtualIp: { address: "FD00::0:100" } });
    assert.equal(virtualIp?.address, "fd00::100");
  });

  const cases: Record<string, [Record<string, unknown>, string]> = {
    "an address of a machine": [
      { virtualIp: { address: "10.0.0.12" } },
      "virtualIp.address: 10.0.0.12 is nodes.m2.address: choose an address that no machine has",
    ],
    "an address of another family": [
      { nodes: { m1: { address: "10.0.0.11" } }, virtualIp: { address: "fd00::100" } },
      "virtualIp.address: fd00::100 and nodes.m1.address 10.0.0.11 are of different families: both must be IPv4, or both IPv6",
    ],
    "an address outside of the hosts' subnet": [
      { ownAddress: { subnet: "10.0.0.0/26" }, virtualIp: { address: ADDRESS } },
      "virtualIp.address: 10.0.0.100 is not inside ownAddress.subnet 10.0.0.0/26: the address moves only within the network of the hosts",
    ],
    "an endpoint that is a machine's address": [
      { endpoint: { host: "10.0.0.11" }, virtualIp: { address: ADDRESS } },
      "endpoint.host: 10.0.0.11 is not the virtual IP 10.0.0.100, so it would be down with its machine: set it to 10.0.0.100, or to a name of it",
    ],
    "the address in endpoint.addresses too": [
      { endpoint: { host: ADDRESS, addresses: [ADDRESS] }, virtualIp: { address: ADDRESS } },
      "endpoint.addresses[0]: 10.0.0.100 is virtualIp.address: leave it out here, it is bound without this",
    ],
    "a router id that VRRP does not have": [
      { virtualIp: { address: ADDRESS, routerId: 256 } },
      "virtualIp.routerId: got 256, expected a whole number from 1 to 255",
    ],
    "a peer of another family": [
      { virtualIp: { address: ADDRESS, peers: ["fd00::12"] } },
      "virtualIp.peers[0]: fd00::12 and the virtual IP 10.0.0.100 are of different families",
    ],
  };
  for (const [what, [changes, error]] of Object.entries(cases)) {
    it(`refuses ${what}`, () => assert.deepEqual(validationErrors(changes), [error]));
  }

  it("refuses the address of a control-plane node behind dedicated hosts", () => {
    const loadBalancers = { lb1: { address: "10.0.0.21" } };
    assert.deepEqual(
      validationErrors({
        topology: "external",
        loadBalancers,
        virtualIp: { address: "10.0.0.12" },
      }),
      ["virtualIp.address: 10.0.0.12 is nodes.m2.address: choose an address that no machine has"],
    );
  });
});
