import assert from "node:assert/strict";
import { parseServersState } from "../../../haproxy/runtime";
import { ALL_DOWN, renderServerState } from "../../../haproxy/server-state";

const SLOTS = [
  { name: "m1", address: "10.0.0.1", port: 6443 },
  undefined,
  { name: "m3", address: "fd00::3", port: 7443 },
];
const HEADER =
  "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port\n";

describe("renderServerState", () => {
  it("has the state of each filled slot's server in each pool", () => {
    const text = renderServerState(SLOTS, (pool, slot) => pool === "alive" && slot === 2);
    assert.ok(text.startsWith("1\n"));
    assert.ok(text.endsWith("\n"));
    const states = parseServersState(HEADER + text);
    assert.deepEqual(
      states.map(({ pool, slot, port, operational, admin }) => [
        pool,
        slot,
        port,
        operational,
        admin,
      ]),
      [
        ["ready", 0, 6443, 0, 0],
        ["ready", 2, 7443, 0, 0],
        ["alive", 0, 6443, 0, 0],
        ["alive", 2, 7443, 2, 0],
        ["reachable", 0, 6443, 0, 0],
        ["reachable", 2, 7443, 0, 0],
      ],
    );
  });

  it("has as many fields as HAProxy's version 1 of the file", () => {
    const lines = renderServerState(SLOTS, ALL_DOWN).trim().split("\n").slice(1);
    for (const line of lines)
      assert.equal(line.split(" ").length, HEADER.trim().split(" ").length - 1);
  });
});
