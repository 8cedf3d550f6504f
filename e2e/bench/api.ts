import { readCredentials } from "../load/kubeconfig";
import { ask, Identity } from "../load/request";
import type { Endpoint } from "../load/types";

const DEADLINE_MS = 10_000;

/** The API of one API server as administrator, past every load balancer. */
export class Api {
  private readonly identity: Identity;

  constructor(
    kubeconfig: string,
    private readonly target: Endpoint,
  ) {
    this.identity = new Identity(readCredentials(kubeconfig));
  }

  get(path: string): Promise<unknown> {
    return this.send("GET", path);
  }

  /** @returns performance.now() of the acknowledgement */
  async mergePatch(path: string, patch: unknown): Promise<number> {
    await this.send("PATCH", path, "application/merge-patch+json", patch);
    return performance.now();
  }

  private async send(method: string, path: string, type = "", body?: unknown): Promise<unknown> {
    const answer = await ask({
      options: this.identity.options(this.target, "kubernetes"),
      method,
      path,
      agent: false,
      deadlineMs: DEADLINE_MS,
      ...(body === undefined ? {} : { body: { type, text: JSON.stringify(body) } }),
    });
    if (answer.status !== 200) {
      throw new Error(`${method} ${path}: ${answer.status} ${answer.body.slice(0, 200)}`);
    }
    return JSON.parse(answer.body);
  }
}
