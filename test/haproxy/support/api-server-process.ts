/** The process of ApiServer: a process of its own, so that it can be stopped by SIGSTOP and killed. */
import { createServer } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Orders, Report, StartMessage } from "./api-server";

const state: Required<Orders> = {
  readyz: 200,
  livez: 200,
  revision: 1,
  data: null,
  listening: true,
};
const report: Report = { requests: [], events: [], watches: 0, tokens: [] };
const watches = new Set<ServerResponse>();
let start: StartMessage | undefined;
let listener: { close(): unknown } | undefined;

function configMap(): unknown {
  return {
    kind: "ConfigMap",
    apiVersion: "v1",
    metadata: { name: "haproxy-backends", uid: "uid-1", resourceVersion: String(state.revision) },
    data: state.data ?? {},
  };
}

function sendChange(type: string): void {
  const line = `${JSON.stringify({ type, object: configMap() })}\n`;
  for (const watch of watches) watch.write(line);
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

function api(request: IncomingMessage, response: ServerResponse, url: URL): void {
  const token = request.headers.authorization?.replace("Bearer ", "") ?? "";
  if (!report.tokens.includes(token)) report.tokens.push(token);
  if (start?.token !== undefined && token !== start.token) {
    return answer(response, 401, { kind: "Status", code: 401 });
  }
  if (url.pathname.endsWith("/events") && request.method === "POST") {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      report.events.push(JSON.parse(body));
      answer(response, 201, {});
    });
    return;
  }
  if (url.searchParams.get("watch") === null) {
    const items = state.data === null ? [] : [configMap()];
    const metadata = { resourceVersion: String(state.revision) };
    return answer(response, 200, { kind: "ConfigMapList", metadata, items });
  }
  response.writeHead(200, { "content-type": "application/json" });
  response.flushHeaders();
  report.watches += 1;
  watches.add(response);
  const seconds = Number(url.searchParams.get("timeoutSeconds") ?? "60");
  const timer = setTimeout(() => response.end(), seconds * 1000);
  response.on("close", () => {
    clearTimeout(timer);
    watches.delete(response);
  });
  if (Number(url.searchParams.get("resourceVersion")) < state.revision) sendChange("MODIFIED");
}

function serve(message: StartMessage): void {
  const server = createServer({ cert: message.cert, key: message.key }, (request, response) => {
    const url = new URL(request.url ?? "/", "https://kubernetes");
    if (url.pathname === "/readyz") return answer(response, state.readyz, {});
    if (url.pathname === "/livez/ping") return answer(response, state.livez, {});
    report.requests.push(url.pathname);
    if (url.pathname.startsWith("/api/")) return api(request, response, url);
    if (url.pathname === "/silent") {
      response.writeHead(200);
      response.write(`${message.name}\n`);
      return;
    }
    answer(response, state.readyz === 200 ? 200 : 503, { name: message.name });
  });
  server.keepAliveTimeout = 600_000;
  listener = server;
  server.listen(message.port, message.address, () => process.send?.("listening"));
}

process.on("message", (message: StartMessage | Orders | "report") => {
  if (message === "report") {
    process.send?.(report);
  } else if ("cert" in message) {
    start = message;
    serve(message);
  } else {
    const before = state.data;
    Object.assign(state, message);
    // Open connections go on, as in an API server that shuts down in good order.
    if (!state.listening) listener?.close();
    if ("data" in message) {
      const type = message.data === null ? "DELETED" : before === null ? "ADDED" : "MODIFIED";
      sendChange(type);
    }
    process.send?.("done");
  }
});
process.on("disconnect", () => process.exit(0));
