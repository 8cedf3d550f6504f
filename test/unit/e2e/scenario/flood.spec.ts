import assert from "node:assert/strict";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { startFlood } from "../../../../e2e/scenario/flood";
import { strangersOf } from "../../../../e2e/scenario/strangers";
import { waitUntil } from "../../../../tools/src/index";

describe("a flood", () => {
  let server: Server;
  const open = new Set<Socket>();
  let received = "";
  beforeEach(async () => {
    received = "";
    server = createServer((socket) => {
      open.add(socket);
      socket.on("data", (data: Buffer) => (received += data.toString("latin1")));
      socket.on("error", () => undefined).on("close", () => open.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  afterEach(() => server.close());

  const start = (kind: "silent" | "half-closed") => {
    const { port } = server.address() as AddressInfo;
    return startFlood({ kind, host: "127.0.0.1", port, localAddress: "127.0.0.1", count: 50 });
  };

  it("keeps its number of silent connections open, and ends with them", async () => {
    const flood = start("silent");
    await waitUntil("50 connections", { seconds: 30, everyMs: 50 }, () => open.size === 50);
    for (const socket of [...open].slice(0, 10)) socket.destroy();
    await waitUntil("50 again", { seconds: 30, everyMs: 50 }, () => open.size === 50);
    await flood.stop();
    await waitUntil("none", { seconds: 30, everyMs: 50 }, () => open.size === 0);
    assert.equal(received, "");
  });

  it("keeps its half of a connection open that the other side has closed", async () => {
    const flood = start("half-closed");
    await waitUntil("50 connections", { seconds: 30, everyMs: 50 }, () => open.size === 50);
    await waitUntil("their bytes", { seconds: 30, everyMs: 50 }, () => /TLS/.test(received));
    const [socket] = open;
    socket?.end();
    await waitUntil("a close", { seconds: 30, everyMs: 50 }, () => socket?.writableFinished);
    assert.ok(socket && open.has(socket) && !socket.readableEnded);
    await flood.stop();
  });
});

describe("strangersOf", () => {
  it("gives addresses of the lab in which the machine is", () => {
    assert.deepEqual(strangersOf("10.77.3.11"), {
      inside: "10.77.3.100",
      outside: "10.77.3.200",
      allow: ["10.77.3.0/25"],
    });
  });
});
