import assert from "node:assert/strict";
import { waitUntilHealthy } from "../../../e2e/scenario/context";
import { waitUntil } from "../../../tools/src/index";
import { assertNothingFailed, CONTROL_PLANE_NODES, type ControlPlane } from "./control-plane";
import { waitUntilServedBy } from "./served-by";

// A network namespace behind an interface of the machine, like a pod with its own network.
const POD_NETWORK = `
  ip netns add probe; ip link add probe0 type veth peer name eth0 netns probe
  ip addr add 10.244.250.1/24 dev probe0; ip link set probe0 up
  ip -n probe addr add 10.244.250.2/24 dev eth0; ip -n probe link set eth0 up; ip -n probe link set lo up
  ip -n probe route add default via 10.244.250.1; sysctl -qw net.ipv4.ip_forward=1
  iptables -t nat -A POSTROUTING -s 10.244.250.0/24 ! -o probe0 -j MASQUERADE`;
const NO_POD_NETWORK = `ip netns del probe
  iptables -t nat -D POSTROUTING -s 10.244.250.0/24 ! -o probe0 -j MASQUERADE`;

/** Clients on the control-plane nodes and in their pods; the forward's rules after a flush. */
export function clientTests(plane: () => ControlPlane): void {
  it("answers clients on every control-plane node and in their pods, by HAProxy or by the forward", async () => {
    const { lab, endpoint } = plane();
    const version = `curl -sf --max-time 5 --cacert /etc/kubernetes/pki/ca.crt https://${endpoint.host}:6444/version`;
    // the certificate names the machine of the API server
    const names = `openssl s_client -connect ${endpoint.host}:6444 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName`;
    const inPod = (command: string) => `ip netns exec probe sh -c '${command}'`;
    const answered = async (name: string) => {
      await lab.exec(name, version);
      await lab.exec(name, inPod(version));
    };
    await Promise.all(CONTROL_PLANE_NODES.map((name) => lab.exec(name, POD_NETWORK)));
    try {
      await waitUntilServedBy(plane(), "HAProxy");
      for (const name of CONTROL_PLANE_NODES) await answered(name);
      await plane().withoutHaproxy(async () => {
        await waitUntilServedBy(plane(), "forward");
        for (const name of CONTROL_PLANE_NODES) await answered(name);
        // m2's own forward must not take connections to m1
        for (const command of [names, inPod(names)]) {
          assert.match((await lab.exec("m2", command)).stdout, /DNS:m1\b/);
        }
      });
      await waitUntilServedBy(plane(), "HAProxy");
      // last: without its API server the leading controller manager does not update DaemonSets for
      // a while
      await plane().withoutApiServer("m1", () => answered("m1"));
    } finally {
      await Promise.all(CONTROL_PLANE_NODES.map((name) => lab.exec(name, NO_POD_NETWORK)));
    }
  });

  for (const flush of [
    "nft flush ruleset",
    "systemctl start nftables && systemctl reload nftables",
  ]) {
    it(`restores the forward after ${flush} without a failed request`, async () => {
      const { lab, context } = plane();
      // pods that have just started use all CPU time
      await waitUntilHealthy(context);
      const report = await plane().underLoad(flush, async () => {
        await lab.exec("m1", flush);
        await waitUntil(`rules after ${flush}`, { seconds: 60 }, async () => {
          return (await lab.exec("m1", "nft list ruleset")).stdout.includes("6443");
        });
      });
      assertNothingFailed(report);
    });
  }
}
