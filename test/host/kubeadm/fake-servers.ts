/**
 * API servers and etcd members for the tests of kubeadm's scripts, as one process in their network
 * namespace: a file FOLDER/up/HOST:PORT makes it listen there. Port 2379 is etcd's JSON gateway
 * over FOLDER/members.json, any other port is an API server.
 * usage: fake-servers.ts FOLDER
 */
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { createServer as createPlainServer, type Server as PlainServer } from "node:net";
import path from "node:path";

interface Member {
  ID: string;
  name?: string;
  peerURLs: string[];
  clientURLs?: string[];
  isLearner?: boolean;
}

const folder = process.argv[2] ?? "";
const membersFile = path.join(folder, "members.json");
const read = (name: string) => readFileSync(path.join(folder, name));
const members = () => JSON.parse(read("members.json").toString()) as Member[];
const note = (line: string) => appendFileSync(path.join(folder, "calls"), `${line}\n`);

/** FOLDER/etcd-refuses holds the last word of a path that etcd answers with an error. */
function refuses(url: string): boolean {
  const file = path.join(folder, "etcd-refuses");
  return existsSync(file) && url.endsWith(`/${readFileSync(file, "utf8").trim()}`);
}

function etcd(own: string, url: string, body: string): unknown {
  if (refuses(url)) return undefined;
  const me = members().find((member) => member.clientURLs?.[0] === `https://${own}`);
  switch (url) {
    case "/health":
      return { health: "true" };
    case "/v3/cluster/member/list":
      return { header: { cluster_id: "1" }, members: members() };
    case "/v3/cluster/member/remove": {
      const { ID } = JSON.parse(body) as { ID: string };
      note(`etcd at ${own}: remove ${ID}`);
      writeFileSync(membersFile, JSON.stringify(members().filter((member) => member.ID !== ID)));
      return { header: {}, members: members() };
    }
    case "/v3/maintenance/status":
      return { header: { member_id: me?.ID }, leader: read("leader").toString().trim() };
    case "/v3/maintenance/transfer-leadership":
      note(`etcd at ${own}: transfer ${body}`);
      return { header: {} };
    default:
      return undefined;
  }
}

function api(url: string): unknown {
  if (url === "/readyz") {
    return "ok";
  }
  return url.endsWith("/configmaps/cluster-info") && existsSync(path.join(folder, "cluster-info"))
    ? JSON.parse(read("cluster-info").toString())
    : undefined;
}

function answer(own: string, request: IncomingMessage, response: ServerResponse): void {
  let body = "";
  request.on("data", (chunk: Buffer) => (body += chunk.toString()));
  request.on("end", () => {
    const url = request.url ?? "";
    const result = own.endsWith(":2379") ? etcd(own, url, body) : api(url);
    response.statusCode = result === undefined ? 404 : 200;
    response.end(JSON.stringify(result ?? {}));
  });
}

const running = new Map<string, Server | PlainServer>();

/** A file with the text `hang` makes a server that accepts connections and sends nothing. */
function start(own: string): Server | PlainServer {
  const at = own.lastIndexOf(":");
  const hang = read(path.join("up", own)).toString().trim() === "hang";
  const server = hang
    ? createPlainServer(() => undefined)
    : createServer(
        { key: read("pki/server.key"), cert: read("pki/server.crt") },
        (request, response) => answer(own, request, response),
      );
  server.on("error", (error) => note(`server ${own}: ${String(error)}`));
  server.listen(Number(own.slice(at + 1)), own.slice(0, at), () =>
    writeFileSync(path.join(folder, "listening", own), ""),
  );
  return server;
}

function follow(): void {
  const desired = new Set(readdirSync(path.join(folder, "up")));
  for (const own of desired) {
    if (!running.has(own)) {
      running.set(own, start(own));
    }
  }
  for (const [own, server] of running) {
    if (!desired.has(own)) {
      running.delete(own);
      rmSync(path.join(folder, "listening", own), { force: true });
      if ("closeAllConnections" in server) {
        server.closeAllConnections();
      }
      server.close();
    }
  }
}

follow();
setInterval(follow, 50);
console.log("ready");
