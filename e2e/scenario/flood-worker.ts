import { connect, type Socket } from "node:net";
import { requireLabRoute } from "../load/lab-route";
import type { FloodCounts, FloodOptions } from "./flood";

// The process of a flood, see startFlood. Its options come by IPC.

/** A connection that the other side has closed stays open on this side for so long. */
const LEAK_MS = 15_000;

/** What a connection sends, by its number: two bytes of TLS, or what is no TLS, then nothing. */
const HALF_CLOSED = ["\x16\x03", "this is not TLS\n"] as const;

const sockets = new Set<Socket>();
const counts: FloodCounts = { opened: 0, refused: 0, closed: 0, most: 0 };

function open({ host, port, localAddress, kind }: FloodOptions): void {
  requireLabRoute(host);
  const socket = connect({ host, port, localAddress, allowHalfOpen: true });
  sockets.add(socket);
  socket.on("connect", () => {
    counts.opened += 1;
    if (kind === "half-closed") socket.write(HALF_CLOSED[counts.opened % 2]!);
  });
  socket.on("end", () => {
    counts.closed += 1;
    setTimeout(() => socket.destroy(), kind === "half-closed" ? LEAK_MS : 0);
  });
  socket.on("error", () => (counts.refused += 1));
  socket.on("close", () => sockets.delete(socket));
  socket.resume();
}

process.on("message", (options: FloodOptions) => {
  // spread over 10 s: all at once would be a flood of new connections, which is another test
  const step = Math.max(20, Math.ceil(options.count / 100));
  setInterval(() => {
    for (let i = 0; i < step && sockets.size < options.count; i++) open(options);
    const established = [...sockets].filter((socket) => !socket.connecting).length;
    counts.most = Math.max(counts.most, established);
    process.send?.(counts);
  }, 100);
});
process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit(0));
