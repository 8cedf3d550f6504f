import assert from "node:assert/strict";
import { renderStatus } from "../../../status/render";
import { parseAnswers, unreachable, type HostStatus } from "../../../status/report";
import { holderProblems } from "../../../status/virtual-ip";
import { answers } from "./answers";

const host = (name: string, line: string, serves = "yes"): HostStatus =>
  parseAnswers(
    { name, address: "10.77.0.11" },
    { ports: { lb: 6444, health: 6445 }, updater: true },
    answers({ "virtual-ip": line, "virtual-ip-serves": serves }),
  );

const HOLDER = host("m1", "yes MASTER 192");
const NOT_ASKED = unreachable({ name: "m3", address: "10.77.0.13" }, "no answer");
const READY = host("m2", "no BACKUP 12");

describe("status of the virtual IP", () => {
  it("shows the holder, since when, and why the others do not hold it", () => {
    const down = host("m3", "no BACKUP 5", "connections to port 6444 are refused");
    const text = renderStatus("10.77.0.100:6444", [HOLDER, READY, down]);
    assert.match(text, /m1 .* holds it for 192 s$/m);
    assert.match(text, /m2 .* ready$/m);
    assert.match(text, /m3 .* does not serve$/m);
    assert.match(text, /m3: virtual IP: connections to port 6444 are refused/);
  });

  it("has no column where there is none", () => {
    assert.doesNotMatch(renderStatus("e", [NOT_ASKED]), /VIRTUAL IP/);
  });

  for (const [line, problem] of [
    ["yes STOPPED 9", /has the virtual IP, but keepalived is STOPPED/],
    ["no FAULT 9", /the interface is down/],
    ["no STARTING 9", /keepalived is STARTING, so the host never takes the address/],
    ["no absent -", /is not installed/],
  ] as const) {
    it(`reports "${line}"`, () => assert.match(host("m1", line).problems[0] ?? "", problem));
  }

  it("reports two holders, and none", () => {
    assert.match(
      holderProblems([HOLDER, host("m2", "yes MASTER 3")], "10.77.0.100")[0] ?? "",
      /has 2 holders \(m1, m2\): they do not hear each other; let IP protocol 112 \(VRRP\) through/,
    );
    assert.deepEqual(holderProblems([READY], "10.77.0.100"), [
      "no host holds the virtual IP 10.77.0.100",
    ]);
    assert.deepEqual(holderProblems([HOLDER, READY], "10.77.0.100"), []);
  });

  it("does not miss the holder on a host that it could not ask", () => {
    assert.deepEqual(holderProblems([READY, NOT_ASKED], "10.77.0.100"), []);
  });
});
