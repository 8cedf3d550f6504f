import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { AgentProtocol, utils, type ParsedKey } from "ssh2";

/** An SSH agent with one key; `close` ends it. */
export async function startAgent(
  privateKey: string,
): Promise<{ socket: string; close(): Promise<void> }> {
  const key = utils.parseKey(privateKey) as ParsedKey;
  const folder = mkdtempSync(path.join(tmpdir(), "agent-"));
  const socket = path.join(folder, "agent.sock");
  const open = new Set<net.Socket>();
  const server = net.createServer((connection) => {
    const protocol = new AgentProtocol(false);
    open.add(connection);
    for (const end of [connection, protocol]) end.on("error", () => undefined);
    protocol.on("identities", (request) => protocol.getIdentitiesReply(request, [key]));
    protocol.on("sign", (request, _pubKey, data) => {
      protocol.signReply(request, key.sign(data));
    });
    connection.pipe(protocol).pipe(connection);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    socket,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const connection of open) connection.destroy();
      await closed;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
