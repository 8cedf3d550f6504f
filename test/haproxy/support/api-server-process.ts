/** ApiServer's own process, which can be stopped by SIGSTOP and killed. */
import { createServer } from "node:https";
import type { Socket } from "node:net";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Orders, Report, StartMessage } from "./api-server";

const state: Required<Omit<Orders, "token">> & Pick<Orders, "token"> = {
  readyz: 200,
  livez: 200,
  stopping: false,
  revision: 1,
  data: null,
  slice: null,
  anonymous: true,
  listening: true,
};
const report: Report = {
  ...{ requests: [], events: [], tokens: [] },
  ...{ checks: 0, lists: 0, watches: 0, open: 0 },
};
let connections = 0;
/** Of watches, which stay open. */
let longConnections = 0;
/** With the path that each watches. */
const watches = new Map<ServerResponse, string>();
/** A real API server sends one a minute. */
const BOOKMARK_MS = 500;
let start: StartMessage | undefined;
let listener: { close(): unknown; listen(): unknown } | undefined;

function configMap(): unknown {
  return {
    kind: "ConfigMap",
    apiVersion: "v1",
    metadata: { name: "haproxy-backends", uid: "uid-1", resourceVersion: String(state.revision) },
    data: state.data ?? {},
  };
}

function endpointSlice(): unknown {
  return {
    kind: "EndpointSlice",
    apiVersion: "discovery.k8s.io/v1",
    metadata: { name: "kubernetes", uid: "uid-2", resourceVersion: String(state.revision) },
    addressType: "IPv4",
    endpoints: (state.slice ?? []).map((address) => ({
      addresses: [address],
      conditions: { ready: true },
    })),
    ports: [{ name: "https", port: start?.port, protocol: "TCP" }],
  };
}

/** The object under a path; null: none. */
function objectAt(path: string): unknown {
  if (path.endsWith("/endpointslices")) return state.slice === null ? null : endpointSlice();
  return state.data === null ? null : configMap();
}

function send(path: string, type: string, object: unknown): void {
  const line = `${JSON.stringify({ type, object })}\n`;
  for (const [watch, watched] of watches) if (watched.endsWith(path)) watch.write(line);
}

/** `before`: whether there was an object. */
function sendChange(path: string, before: boolean): void {
  const object = objectAt(path);
  const last = path === "/configmaps" ? configMap() : endpointSlice();
  send(path, object === null ? "DELETED" : before ? "MODIFIED" : "ADDED", object ?? last);
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/** Answers 401 to other tokens. */
function admits(request: IncomingMessage, response: ServerResponse): boolean {
  const expected = state.token ?? start?.token;
  const token = request.headers.authorization?.replace("Bearer ", "") ?? "";
  if (expected === undefined || token === expected) return true;
  answer(response, 401, { kind: "Status", code: 401 });
  return false;
}

function health(request: IncomingMessage, response: ServerResponse, status: number): void {
  report.checks += 1;
  if (status === 0) return;
  if (state.anonymous || admits(request, response)) answer(response, status, {});
}

function api(request: IncomingMessage, response: ServerResponse, url: URL): void {
  const token = request.headers.authorization?.replace("Bearer ", "") ?? "";
  if (!report.tokens.includes(token)) report.tokens.push(token);
  if (!admits(request, response)) return;
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
    report.lists += 1;
    const object = objectAt(url.pathname);
    const metadata = { resourceVersion: String(state.revision) };
    return answer(response, 200, {
      kind: "List",
      metadata,
      items: object === null ? [] : [object],
    });
  }
  response.writeHead(200, { "content-type": "application/json" });
  response.flushHeaders();
  report.watches += 1;
  staysOpen(response);
  watches.set(response, url.pathname);
  const seconds = Number(url.searchParams.get("timeoutSeconds") ?? "60");
  const timer = setTimeout(() => response.end(), seconds * 1000);
  response.on("close", () => {
    clearTimeout(timer);
    watches.delete(response);
  });
  if (Number(url.searchParams.get("resourceVersion")) < state.revision)
    sendChange(url.pathname, true);
}

function staysOpen(response: ServerResponse): void {
  longConnections += 1;
  response.on("close", () => (longConnections -= 1));
}

function serve(message: StartMessage): void {
  const server = createServer({ cert: message.cert, key: message.key }, (request, response) => {
    const url = new URL(request.url ?? "/", "https://kubernetes");
    if (url.pathname === "/readyz")
      return health(request, response, state.stopping ? 500 : state.readyz);
    if (url.pathname === "/livez/ping") return health(request, response, state.livez);
    report.requests.push(url.pathname);
    if (/^\/apis?\//.test(url.pathname)) return api(request, response, url);
    if (url.pathname === "/silent") {
      staysOpen(response);
      response.writeHead(200);
      response.write(`${message.name}\n`);
      return;
    }
    answer(response, state.readyz === 200 ? 200 : 503, { name: message.name });
  });
  server.on("connection", (socket: Socket) => {
    connections += 1;
    socket.on("close", () => (connections -= 1));
  });
  server.keepAliveTimeout = 600_000;
  const listen = () => server.listen(message.port, message.address);
  listener = { close: () => server.close(), listen };
  server.once("listening", () => process.send?.("listening"));
  listen();
}

process.on("message", (message: StartMessage | Orders | "report") => {
  if (message === "report") {
    process.send?.({ ...report, open: connections - longConnections });
  } else if ("cert" in message) {
    start = message;
    serve(message);
  } else {
    const before = { ...state };
    Object.assign(state, message);
    // Open connections continue, as in an API server's orderly shutdown.
    if (!state.listening && before.listening) listener?.close();
    if (state.listening && !before.listening) listener?.listen();
    if ("data" in message) sendChange("/configmaps", before.data !== null);
    if ("slice" in message) sendChange("/endpointslices", before.slice !== null);
    process.send?.("done");
  }
});
setInterval(() => {
  send("/endpointslices", "BOOKMARK", { metadata: { resourceVersion: String(state.revision) } });
}, BOOKMARK_MS);
process.on("disconnect", () => process.exit(0));
