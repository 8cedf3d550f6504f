import type { ClientRequest, IncomingMessage } from "node:http";
import { errorKind, RequestError, statusError } from "./failure";
import {
  checkObject,
  type LoadObject,
  type Operations,
  type Connection,
  type Version,
} from "./operations";
import { openRequest } from "./request";

/** Callbacks of one watch; the last one is `refused`, `ended` or `closed`. */
export interface WatchEvents {
  /** The server accepted the watch. */
  opened(): void;
  /** An event arrived. */
  delivered(version: Version): void;
  /** The watch could not be opened; `gone`: the server no longer has this revision. */
  refused(error: RequestError, gone: boolean): void;
  /** The open watch broke; `gone`: the server no longer has its revision. */
  ended(reason: string, gone: boolean): void;
  /** The owner closed it before it was open. */
  closed(): void;
}

/** One watch on the load's ConfigMap, from opening to end; it does not reopen itself. */
export class Watch {
  private readonly call: ClientRequest;
  private readonly timer: NodeJS.Timeout;
  private open = false;
  private over = false;
  private buffer = "";

  constructor(
    connection: Connection,
    operations: Operations,
    revision: number,
    private readonly events: WatchEvents,
  ) {
    this.call = openRequest(
      {
        options: connection.identity.options(connection.target, connection.verifyAs),
        agent: false,
        method: "GET",
        path: operations.watchPath(revision),
      },
      (message) => this.read(message),
    );
    this.call.on("socket", (socket) => socket.setKeepAlive(true, 10_000));
    this.call.on("error", (error) => this.stop(error));
    this.timer = setTimeout(() => {
      this.stop(new RequestError("timeout", `watch not open within ${connection.deadlineMs} ms`));
    }, connection.deadlineMs);
    this.call.end();
  }

  /** Ends the watch on purpose: nothing is counted. */
  close(): void {
    if (this.over) return;
    this.end();
    if (!this.open) this.events.closed();
  }

  private end(): void {
    this.over = true;
    clearTimeout(this.timer);
    this.call.destroy();
  }

  private read(message: IncomingMessage): void {
    if (message.statusCode !== 200) {
      const status = message.statusCode ?? 0;
      this.stop(statusError(status, [200], ""), status === 410);
      return;
    }
    if (this.over) return;
    clearTimeout(this.timer);
    this.open = true;
    this.events.opened();
    message.setEncoding("utf8");
    message.on("data", (text: string) => this.parse(text));
    message.on("error", (error) => this.stop(error));
    message.on("end", () => this.stop(new RequestError("reset", "the server ended the watch")));
  }

  private parse(text: string): void {
    const lines = (this.buffer + text).split("\n");
    this.buffer = lines.pop() ?? "";
    for (const line of lines) {
      if (this.over) return;
      if (line.trim() !== "") this.event(line);
    }
  }

  private event(line: string): void {
    try {
      const { type, object } = JSON.parse(line) as {
        type: string;
        object: LoadObject & { code?: number; message?: string };
      };
      if (type === "BOOKMARK") return;
      if (type === "ERROR") {
        const error = new RequestError("status", `event ERROR ${object.code}: ${object.message}`);
        this.stop(error, object.code === 410);
        return;
      }
      this.events.delivered(checkObject(object, 0));
    } catch (error) {
      this.stop(error);
    }
  }

  private stop(error: unknown, gone = false): void {
    if (this.over) return;
    this.end();
    const text = error instanceof Error ? error.message : String(error);
    if (this.open) this.events.ended(text, gone);
    else this.events.refused(new RequestError(errorKind(error), text, { cause: error }), gone);
  }
}
