import type { Lab } from "../../lab/src/index";
import type { Target } from "../load/load";
import type { ScenarioContext } from "../scenario/context";
import type { LabCluster } from "../scenario/lab-cluster";
import type { Scenario } from "../scenario/scenarios";
import type { Topology } from "../../stacks/schema";

export interface DemoOptions {
  /** The lab's name. */
  readonly name: string;
  readonly machines: number;
  readonly topology: Topology;
  readonly bootstrap: Bootstrap;
  /** Run these scenarios only. @default all */
  readonly scenarios?: readonly string[];
  /** Aborted: the demo ends as soon as it can. */
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
}

/** How the machines of a demo become a cluster. */
export const BOOTSTRAPS = ["ssh", "cloud-init", "cluster-api"] as const;

export type Bootstrap = (typeof BOOTSTRAPS)[number];

/** Runs a step of the demo and notes how long it took. */
export type Timed = <T>(name: string, action: () => Promise<T>) => Promise<T>;

/** A demo before its load starts: bare machines, or none yet. */
export interface Stage {
  readonly lab: Lab;
  readonly cluster: LabCluster;
  readonly endpoint: Target;
  /** Kinds of the provider plugins, for the report. */
  readonly plugins: Readonly<Record<string, string>>;
  /** Makes the cluster and waits until the product says that it is there. */
  bringUp(signal: AbortSignal): Promise<void>;
  /** `up` with a changed setting of HAProxy; where there is none, no scenario asks for it. */
  readonly changeSettings: ScenarioContext["changeSettings"];
  /** What happens to the cluster afterwards. */
  scenarios(): readonly Scenario[];
}
