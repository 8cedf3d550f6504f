import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer, type AddressInfo } from "node:net";
import { describe, it } from "mocha";
import { askPeers, closedPeers, withClosedPorts } from "../../../status/peers";
import { exitCode, parseAnswers, unreachable } from "../../../status/report";
import { answers } from "./answers";

const host = (name: string, changes = {}) =>
  parseAnswers(
    { name, address: "10.77.0.11" },
    { ports: { lb: 6444, health: 6445 }, updater: true },
    answers(changes),
  );

describe("the LB port as status sees it from other hosts", () => {
  it("is closed where no connection opens", async () => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    try {
      const peers = [
        { name: "m1", address: "127.0.0.1" },
        { name: "m2", address: "127.0.0.2" },
        { name: "m3.example", address: "::1" },
      ];
      const child = spawn("sh", ["-s"], { stdio: ["pipe", "pipe", "inherit"] });
      child.stdin.end(askPeers(port, peers));
      let output = "";
      for await (const chunk of child.stdout) output += String(chunk);
      assert.deepEqual(closedPeers(output).sort(), ["m2", "m3.example"]);
    } finally {
      server.close();
    }
  });

  it("is a problem of the host that has it, with the hosts that do not reach it", () => {
    const closed = new Map([
      ["m1", []],
      ["m2", ["m1"]],
      ["m3", ["m1"]],
    ]);
    const hosts = withClosedPorts([host("m1"), host("m2"), host("m3")], closed, 6444);
    assert.deepEqual(
      hosts.map(({ problems }) => problems),
      [
        [
          "the LB port 6444 answers on the host itself, but cannot be reached from m2, m3: open the firewall of m1, and of the network between, for TCP 6444",
        ],
        [],
        [],
      ],
    );
    assert.equal(exitCode(hosts), 1);
  });

  it("is no problem of a firewall where the host itself gets no answer", () => {
    const dead = [
      unreachable({ name: "m1", address: "10.77.0.11" }, "no route"),
      host("m2", { endpoint: "0" }),
    ];
    const closed = new Map([["m3", ["m1", "m2"]]]);
    assert.deepEqual(withClosedPorts(dead, closed, 6444), dead);
  });
});
