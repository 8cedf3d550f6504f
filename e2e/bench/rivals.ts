import { readdirSync, readlinkSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Lab } from "../../lab/src/index";
import type { Api } from "./api";

const VOLUME_LOOK_MS = 100;

/** Another way in which load balancers learn of changes; runs beside ours and sees the same changes. */
export interface Rival {
  readonly name: string;
  /** For each load balancer, when it looked or was told, as performance.now(). */
  readonly looks: readonly number[][];
}

/** Both kinds of rivals, until the signal comes. */
export class Rivals {
  readonly all: Rival[] = [];
  private readonly running: Promise<unknown>[] = [];

  constructor(
    private readonly api: Api,
    private readonly signal: AbortSignal,
  ) {}

  /** A GET of the object every so many seconds, on each of `count` load balancers, each from a moment of its own. */
  poll(seconds: number, count: number, object: string): void {
    const looks = Array.from({ length: count }, (): number[] => []);
    this.all.push({ name: `poll each ${seconds} s`, looks });
    looks.forEach((times, index) =>
      this.run(async () => {
        await this.pause((seconds * 1000 * (index + Math.random())) / count);
        while (!this.signal.aborted) {
          const began = performance.now();
          await this.api.get(object);
          // what was acknowledged before the question is in the answer
          times.push(began);
          await this.pause(seconds * 1000 - (performance.now() - began));
        }
      }),
    );
  }

  /** The ConfigMap as mounted volume of the running pods: kubelet swaps the link `..data`. */
  volume(lab: Lab, machines: readonly string[], volume: string): void {
    const looks = machines.map((): number[] => []);
    this.all.push({ name: "mounted volume (kubelet)", looks });
    machines.forEach((machine, index) =>
      this.run(async () => {
        for (let last = "", first = true; !this.signal.aborted; first = false) {
          const now = dataLinks(lab.rootOf(machine), volume);
          if (now !== last && !first) looks[index]?.push(performance.now());
          last = now;
          await this.pause(VOLUME_LOOK_MS);
        }
      }),
    );
  }

  /** Ends when the signal has come. */
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
