import { ADDRESS, type Host, type Job, type Network } from "./network";
import { waitFor } from "./wait";

/** One request over a connection of its own; times are milliseconds of Date.now(). */
export interface Sample {
  readonly start: number;
  readonly end: number;
  /** Name of the server that answered. */
  readonly body?: string;
  readonly error?: string;
}

// HTTP without keep-alive: the body is the server's name
const CLIENT = `
const http = require("node:http");
const { address, port, pauseMs, once, localPort, timeoutMs } = JSON.parse(process.argv[1]);
function request() {
  const start = Date.now();
  let done = false;
  const finish = (result) => {
    if (done) return;
    done = true;
    console.log(JSON.stringify({ start, end: Date.now(), ...result }));
    if (!once) setTimeout(request, pauseMs);
    else process.exit(0);
  };
  const sent = http.get({ host: address, port, agent: false, timeout: timeoutMs, localPort }, (response) => {
    let body = "";
    response.on("data", (data) => (body += data));
    response.on("end", () => finish(response.statusCode === 200 ? { body } : { error: "status " + response.statusCode }));
    response.on("error", (error) => finish({ error: String(error) }));
  });
  sent.on("timeout", () => sent.destroy(new Error("timeout")));
  sent.on("error", (error) => finish({ error: String(error.code ?? error) }));
}
request();
`;

const SERVER = `
const http = require("node:http");
const { port, name } = JSON.parse(process.argv[1]);
const server = http.createServer((_, response) => response.writeHead(200, { connection: "close" }).end(name));
server.listen(port, "::", () => console.error("listening"));
`;

/** Starts a stand-in for an API server: it answers every request with its name. */
export async function startServer(
  network: Network,
  host: Host,
  name: string,
  port = 6443,
): Promise<Job> {
  const job = network.start(host, [process.execPath, "-e", SERVER, JSON.stringify({ port, name })]);
  await waitFor(`server ${name} on ${host}`, () => job.output.includes("listening"));
  return job;
}

/** One request; `timeoutMs` bounds it (default 10 s: a slow machine is no failure). */
export async function ask(
  network: Network,
  from: Host,
  options: { address?: string; port?: number; localPort?: number; timeoutMs?: number } = {},
): Promise<Sample> {
  const lines: string[] = [];
  const { address = ADDRESS.m1, port = 6444, timeoutMs = 10_000, localPort } = options;
  const settings = { address, port, once: true, timeoutMs, localPort };
  const job = network.start(from, [process.execPath, "-e", CLIENT, JSON.stringify(settings)], {
    onLine: (line) => lines.push(line),
  });
  await job.ended;
  const line = await waitFor("answer of the client", () => lines[0]);
  return JSON.parse(line) as Sample;
}

/** A client that makes one new connection after the other. */
export class Load {
  readonly samples: Sample[] = [];
  private readonly job: Job;

  constructor(
    network: Network,
    readonly from: Host,
    address: string = ADDRESS.m1,
  ) {
    const settings = { address, port: 6444, pauseMs: 20, once: false, timeoutMs: 10_000 };
    this.job = network.start(from, [process.execPath, "-e", CLIENT, JSON.stringify(settings)], {
      onLine: (line) => this.samples.push(JSON.parse(line) as Sample),
    });
  }

  /** Waits for ten answers in a row by `name`, all begun from now on. */
  async answeredBy(name: string): Promise<void> {
    const from = Date.now();
    await waitFor(`answers of ${name} to the client on ${this.from}`, () => {
      const last = this.samples.slice(-10);
      return last.length === 10 && last.every((one) => one.start >= from && one.body === name);
    });
  }

  failures(): Sample[] {
    return this.samples.filter((one) => one.error !== undefined);
  }

  async stop(): Promise<void> {
    await this.job.stop();
  }
}
