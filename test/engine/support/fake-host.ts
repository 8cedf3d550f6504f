import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Server, utils, type Connection, type ServerChannel } from "ssh2";

/** A script that ran: its name, and apply or remove. */
export interface Run {
  readonly host: string;
  /**
   * As in the script's first line: "m1" (the preflight), "forward", "join-credentials-for-m1",
   * "kubeconfig".
   */
  readonly script: string;
  readonly command: string;
}

/** What a script prints, and its exit code. */
export interface Answer {
  readonly stdout?: string;
  readonly stderr?: string;
  readonly code?: number;
}

/**
 * An SSH server that runs nothing: it records which script came by stdin, and answers as
 * configured.
 *
 * It tests the order and number of scripts, not what they do.
 */
export class FakeHost {
  private readonly open = new Set<Connection>();

  private constructor(
    readonly name: string,
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(
    name: string,
    keys: { readonly host: string; readonly users: readonly string[] },
    answer: (run: Run) => Answer,
  ): Promise<FakeHost> {
    const allowed = keys.users.map((key) => {
      const parsed = utils.parseKey(key);
      if (parsed instanceof Error) throw parsed;
      return parsed.getPublicSSH();
    });
    const server = new Server({ hostKeys: [keys.host] });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const host = new FakeHost(name, server, (server.address() as AddressInfo).port);
    server.on("connection", (client) => host.serve(client, allowed, answer));
    return host;
  }

  private serve(client: Connection, keys: readonly Buffer[], answer: (run: Run) => Answer): void {
    this.open.add(client);
    client.on("close", () => this.open.delete(client));
    // clients end connections as they like
    client.on("error", () => undefined);
    client.on("authentication", (context) => {
      const known =
        context.method === "publickey" && keys.some((key) => context.key.data.equals(key));
      if (known) context.accept();
      else context.reject(["publickey"]);
    });
    client.on("session", (accept) => {
      const session = accept();
      session.on("exec", (acceptExec, _reject, { command }) => {
        this.run(acceptExec(), command, answer);
      });
    });
  }

  private run(channel: ServerChannel, command: string, answer: (run: Run) => Answer): void {
    const chunks: Buffer[] = [];
    channel.on("data", (chunk: Buffer) => chunks.push(chunk));
    channel.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const script = /^# ([^:\n]+): usage/.exec(text)?.[1] ?? "no script";
      const { stdout = "", stderr = "", code = 0 } = answer({ host: this.name, script, command });
      channel.write(stdout);
      channel.stderr.write(stderr);
      channel.exit(code);
      channel.end();
    });
  }

  async stop(): Promise<void> {
    for (const client of this.open) client.end();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}
