import { readCredentials } from "../load/kubeconfig";
import { Identity, sendRequest } from "../load/request";
import type { Target } from "../load/types";

const DEADLINE_MS = 10_000;

/** A client of one API server as administrator, not through a load balancer. */
export class ApiClient {
  private readonly identity: Identity;

  constructor(
    kubeconfig: string,
    private readonly target: Target,
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
    const response = await sendRequest({
      options: this.identity.options(this.target, "kubernetes"),
      method,
      path,
      agent: false,
      deadlineMs: DEADLINE_MS,
      ...(body === undefined ? {} : { body: { type, text: JSON.stringify(body) } }),
    });
    if (response.status !== 200) {
      throw new Error(`${method} ${path}: ${response.status} ${response.body.slice(0, 200)}`);
    }
    return JSON.parse(response.body);
  }
}
