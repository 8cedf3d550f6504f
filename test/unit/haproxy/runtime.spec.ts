import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MasterApi, parseProcesses } from "../../../haproxy/master";
import { parseServersState, parseStats, RuntimeApi, RuntimeError } from "../../../haproxy/runtime";

const STATE = `1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port
3 ready 1 s1 10.77.0.11 2 0 1 1 3 15 3 3 6 0 0 0 - 6443 - 0 0 - - 0
4 alive 12 s12 fd00::1 0 5 1 1 3 1 0 0 14 0 0 0 - 6444 - 0 0 - - 0
3 ready 9 s1.alive 10.77.0.11 2 0 1 1 3 15 3 3 6 0 0 0 - 6443 - 0 0 - - 0
6 updater 1 updater - 2 0 1 1 3 1 0 2 0 0 0 0 - 0 - 0 0 - - 0

`;
const STAT = `# pxname,svname,qcur,scur,status,lastchg,check_status,check_code,
endpoint,FRONTEND,,3,OPEN,,,,
ready,s1,0,2,UP,60,* L7OK,200,
ready,BACKEND,0,2,UP,60,,,
alive,s2,0,0,DOWN 1/2,3,L4TOUT,,
ready,s2.alive,0,1,DOWN,3,,,

`;

describe("answers of HAProxy", () => {
  it("gives slots, addresses and states of show servers state", () => {
    const common = { pool: "ready", slot: 0, address: "10.77.0.11", port: 6443 };
    assert.deepEqual(parseServersState(STATE), [
      { ...common, operational: 2, admin: 0 },
      { pool: "alive", slot: 11, address: "fd00::1", port: 6444, operational: 0, admin: 5 },
      { ...common, pool: "fallback", operational: 2, admin: 0 },
    ]);
  });

  it("gives status, check and sessions of show stat", () => {
    assert.deepEqual(parseStats(STAT), [
      {
        pool: "ready",
        slot: 0,
        status: "UP",
        checkStatus: "L7OK",
        checkCode: 200,
        sinceSeconds: 60,
        sessions: 2,
      },
      {
        pool: "alive",
        slot: 1,
        status: "DOWN 1/2",
        checkStatus: "L4TOUT",
        checkCode: 0,
        sinceSeconds: 3,
        sessions: 0,
      },
      {
        pool: "fallback",
        slot: 1,
        status: "DOWN",
        checkStatus: "",
        checkCode: 0,
        sinceSeconds: 3,
        sessions: 1,
      },
    ]);
  });

  it("throws for an answer without its header, or without a column", () => {
    assert.throws(() => parseServersState("Permission denied"), RuntimeError);
    assert.throws(() => parseStats("# pxname,svname\nready,s1"), /no column/);
  });

  it("distinguishes serving workers from old ones, and counts failed reloads", () => {
    const text = `#<PID>          <type>          <reloads>       <uptime>        <version>
5061            master          2 [failed: 1]   0d00h00m02s     2.6.12
# workers
5152            worker          0               0d00h00m01s     2.6.12
# old workers
5067            worker          2               0d00h00m02s     2.6.12
# programs
`;
    assert.deepEqual(parseProcesses(text), { workers: [5152], reloads: 2, failed: 1 });
    assert.deepEqual(parseProcesses("connection refused"), { workers: [], reloads: 0, failed: 0 });
  });
});

describe("RuntimeApi and MasterApi", () => {
  let folder: string;
  let socket: string;
  let server: Server;
  const connections = new Set<Socket>();
  let answer: (line: string) => string | undefined;

  beforeEach((done) => {
    folder = mkdtempSync(join(tmpdir(), "runtime-"));
    socket = join(folder, "admin.sock");
    server = createServer({ allowHalfOpen: true }, (connection) => {
      connections.add(connection);
      connection.on("error", () => undefined);
      connection.on("data", (line: Buffer) => {
        const text = answer(line.toString().trim());
        if (text !== undefined) connection.end(text);
      });
    });
    server.listen(socket, done);
  });
  afterEach((done) => {
    for (const connection of connections) connection.destroy();
    server.close(() => done());
    rmSync(folder, { recursive: true });
  });

  it("opens a slot in one line in all pools, down until a check", async () => {
    const lines: string[] = [];
    answer = (line) => {
      lines.push(line);
      return "\n[4]: IP changed from '127.0.0.1' to '10.0.0.1' by 'stats socket command'\n\n";
    };
    await new RuntimeApi(socket).open(2);
    assert.deepEqual(lines, [
      "set severity-output number;set server ready/s3 state ready;set server ready/s3 health down;" +
        "set server alive/s3 state ready;set server alive/s3 health down;" +
        "set server reachable/s3 state ready;set server reachable/s3 health down",
    ]);
  });

  it("closes a slot and shuts down its sessions before it changes the address", async () => {
    let seen = "";
    answer = (line) => {
      seen = line;
      return "\n";
    };
    await new RuntimeApi(socket).fill(0, { name: "m1", address: "10.0.0.1", port: 6443 });
    const order = ["state maint", "shutdown sessions", "addr 10.0.0.1 port 6443", "state ready"];
    const places = order.map((part) => seen.indexOf(part));
    assert.ok(
      places.every((place, i) => place > (places[i - 1] ?? 0)),
      seen,
    );
  });

  it("throws with HAProxy's message when it refuses a command", async () => {
    answer = () => "\n[3]: No such server.\n\n";
    await assert.rejects(new RuntimeApi(socket).drain(40), /refused .*s41.*No such server/);
  });

  it("gives up without an answer", async () => {
    answer = () => undefined;
    const api = new RuntimeApi(socket, { timeoutMs: 50 });
    await assert.rejects(api.stats(), /no answer within 50 ms/);
    const missing = new RuntimeApi(join(folder, "none"));
    await assert.rejects(missing.stats(), RuntimeError);
  });

  it("passes on each message of HAProxy, also in pieces", async () => {
    const messages: string[] = [];
    answer = () => "\nServer ready/s1 is DO";
    await new Promise<void>((resolve) => {
      const writing = createServer((connection) => {
        connection.on("data", () => {
          connection.write("Server ready/s1 is DO");
          setImmediate(() => connection.end("WN.\nServer alive/s1 is UP.\n"));
        });
      });
      const path = join(folder, "events.sock");
      writing.listen(path, () => {
        new RuntimeApi(path).followEvents(
          (line) => messages.push(line),
          () => writing.close(() => resolve()),
        );
      });
    });
    assert.deepEqual(messages, ["Server ready/s1 is DOWN.", "Server alive/s1 is UP."]);
  });

  const processes = (pid: number, reloads: number, failed: number): string =>
    `1 master ${reloads} [failed: ${failed}] 0d 2.6\n# workers\n${pid} worker 0 0d 2.6\n# programs\n`;

  it("proves a reload by a new worker", async () => {
    let asked = 0;
    answer = (line) => {
      if (line === "reload") return "";
      asked += 1;
      return asked < 3 ? processes(10, 0, 0) : processes(11, 1, 0);
    };
    assert.equal(await new MasterApi(socket).reload(), 11);
  });

  it("detects a failed reload from show proc, and from newer versions' answer", async () => {
    let reloaded = false;
    answer = (line) => {
      if (line !== "reload") return processes(10, reloaded ? 1 : 0, reloaded ? 1 : 0);
      reloaded = true;
      return "";
    };
    await assert.rejects(new MasterApi(socket).reload(), /no new worker/);
    answer = (line) =>
      line === "reload" ? "Success=0\n--\n[ALERT] bad line\n" : processes(10, 0, 0);
    await assert.rejects(new MasterApi(socket).reload(), /refused the configuration: .*bad line/s);
  });
});
