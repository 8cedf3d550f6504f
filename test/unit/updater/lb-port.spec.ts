import assert from "node:assert/strict";
import { parseBackends } from "../../../haproxy/model";
import { refuseLbPort } from "../../../updater/sources/lb-port";

const DATA = { m1: "10.0.0.1:6444", m2: "10.0.0.2:6443", m3: "10.0.0.3:6444", m4: "nonsense" };
const ON_NODES = { apiPort: 6443, localAddress: "10.0.0.1", haproxy: { port: 6444 } };

/** Keys of the accepted and of the refused entries. */
function keys(
  data: Readonly<Record<string, string>>,
  settings: Parameters<typeof refuseLbPort>[1],
): string[][] {
  const { backends, refused } = refuseLbPort(parseBackends(data), settings);
  return [backends.map(({ name }) => name), refused.map(({ key }) => key)];
}

describe("a backend on the LB port", () => {
  it("is refused on any machine, beside the other refused entries", () => {
    assert.deepEqual(keys(DATA, ON_NODES), [["m2"], ["m1", "m3", "m4"]]);
  });

  it("is refused with the port that is expected", () => {
    const [refused] = refuseLbPort(parseBackends(DATA), ON_NODES).refused;
    assert.deepEqual([refused?.key, refused?.value], ["m1", "10.0.0.1:6444"]);
    assert.match(refused?.reason ?? "", /^6444 is the LB port.*on port 6443$/);
  });

  it("is an API server where those have the same port, unless it is this load balancer", () => {
    const settings = {
      apiPort: 6443,
      localAddress: "10.0.0.9",
      haproxy: { port: 6443, virtualAddresses: ["10.0.0.100"] },
    };
    const data = { m1: "10.0.0.1:6443", own: "10.0.0.9:6443", vip: "10.0.0.100:6443" };
    assert.deepEqual(keys(data, settings), [["m1"], ["own", "vip"]]);
  });
});
