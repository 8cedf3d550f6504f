import { Agent, request } from "node:https";

/** How to reach the management cluster's API server as administrator. */
export interface ApiAccess {
  /** On loopback. */
  readonly port: number;
  /** PEM of its certificate. */
  readonly certificate: string;
  readonly token: string;
}

const DEADLINE_MS = 10_000;

/** An answer that is no success. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/** A small client of the management cluster's API server. */
export class Api {
  private readonly agent = new Agent({ keepAlive: true });

  constructor(private readonly access: ApiAccess) {}

  get<T>(path: string): Promise<T> {
    return this.send<T>("GET", path);
  }

  async list<T>(path: string): Promise<readonly T[]> {
    return (await this.get<{ readonly items: readonly T[] }>(path)).items;
  }

  async mergePatch(path: string, body: object): Promise<void> {
    await this.send("PATCH", path, "application/merge-patch+json", body);
  }

  /** Server-side apply: creates or changes an object. */
  async apply(path: string, body: object): Promise<void> {
    const query = "fieldManager=lab&force=true";
    await this.send("PATCH", `${path}?${query}`, "application/apply-patch+yaml", body);
  }

  async isReady(): Promise<boolean> {
    return (await this.text("GET", "/readyz")) === "ok";
  }

  close(): void {
    this.agent.destroy();
  }

  private async send<T>(method: string, path: string, type?: string, body?: object): Promise<T> {
    return JSON.parse(await this.text(method, path, type, body)) as T;
  }

  private text(method: string, path: string, type?: string, body?: object): Promise<string> {
    const { port, certificate, token } = this.access;
    return new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${token}`,
        ...(type === undefined ? {} : { "content-type": type }),
      };
      const { agent } = this;
      const options = { host: "127.0.0.1", port, ca: certificate, agent, method, path, headers };
      const sent = request({ ...options, timeout: DEADLINE_MS }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", reject);
        response.once("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          const status = response.statusCode ?? 0;
          if (status >= 200 && status < 300) return resolve(text);
          reject(new ApiError(status, `${method} ${path}: ${status} ${text.slice(0, 500)}`));
        });
      });
      sent.once("timeout", () => sent.destroy(new Error(`${method} ${path}: no answer`)));
      sent.once("error", reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}
