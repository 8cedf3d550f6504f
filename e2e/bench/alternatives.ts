import { readdirSync, readlinkSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Lab } from "../../lab/src/index";
import type { ApiClient } from "./api-client";

const VOLUME_POLL_MS = 100;

/**
 * Another method by which load balancers learn of changes; it observes the same changes as the
 * updater.
 */
export interface Alternative {
  readonly name: string;
  /** For each load balancer, when it read the object, as performance.now(). */
  readonly reads: readonly number[][];
}

/** Polling and a mounted ConfigMap, until the signal is aborted. */
export class Alternatives {
  readonly all: Alternative[] = [];
  private readonly running: Promise<unknown>[] = [];

  constructor(
    private readonly api: ApiClient,
    private readonly signal: AbortSignal,
  ) {}

  /**
   * A GET of the object every `seconds` for each of `count` load balancers, spread over the
   * interval.
   */
  poll(seconds: number, count: number, object: string): void {
    const reads = Array.from({ length: count }, (): number[] => []);
    this.all.push({ name: `poll each ${seconds} s`, reads });
    reads.forEach((times, index) =>
      this.run(async () => {
        await this.pause((seconds * 1000 * (index + Math.random())) / count);
        while (!this.signal.aborted) {
          const began = performance.now();
          await this.api.get(object);
          // the response contains what was acknowledged before the request
          times.push(began);
          await this.pause(seconds * 1000 - (performance.now() - began));
        }
      }),
    );
  }

  /** The ConfigMap as a volume of the running pods: kubelet swaps the link `..data`. */
  volume(lab: Lab, machines: readonly string[], volume: string): void {
    const reads = machines.map((): number[] => []);
    this.all.push({ name: "mounted volume (kubelet)", reads });
    machines.forEach((machine, index) =>
      this.run(async () => {
        for (let last = "", first = true; !this.signal.aborted; first = false) {
          const now = dataLinks(lab.rootOf(machine), volume);
          if (now !== last && !first) reads[index]?.push(performance.now());
          last = now;
          await this.pause(VOLUME_POLL_MS);
        }
      }),
    );
  }

  /** Resolves when all have ended after the signal. */
  async end(): Promise<void> {
    await Promise.all(this.running);
  }

  private run(follow: () => Promise<void>): void {
    this.running.push(follow());
  }

  private async pause(ms: number): Promise<void> {
    await sleep(Math.max(0, ms), undefined, { signal: this.signal }).catch(() => undefined);
  }
}

function dataLinks(root: string, volume: string): string {
  const pods = path.join(root, "var/lib/kubelet/pods");
  return readdirSync(pods)
    .flatMap((pod) => {
      try {
        return readlinkSync(
          path.join(pods, pod, "volumes/kubernetes.io~configmap", volume, "..data"),
        );
      } catch {
        return [];
      }
    })
    .join();
}
