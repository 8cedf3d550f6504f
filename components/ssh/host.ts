import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { HostPart } from "../../host/part";
import { cleanUpScript } from "../../host/clean-up-script";
import { partScript } from "../../host/part-script";
import { componentType } from "../types";
import { remoteScript, type RemoteScriptArgs } from "./remote-script";
import type { SshTarget } from "./ssh-target";

/** A machine that becomes a control-plane node or a load-balancer host. */
export interface HostArgs {
  /** Its address inside the cluster. */
  readonly address: string;
  readonly target: SshTarget;
  /** Raised for a machine that was reprovisioned: its scripts run again. */
  readonly generation: number;
  /** Gone for good: nothing runs there any more. */
  readonly lost: boolean;
  /** Off for repair: its scripts stay as they are until it is back. */
  readonly away: boolean;
}

/** Options of {@link Host.run}. */
interface RunOptions {
  readonly dependsOn?: readonly pulumi.Resource[];
  /** The host that the resource belongs to. Default: the one on which the script runs */
  readonly owner?: Host;
  /** May refuse an update of the resource. */
  readonly beforeUpdate?: pulumi.ResourceHook;
  /** Former names of the resource. */
  readonly aliases?: readonly string[];
  /**
   * The script installs a part that only the clean-up of the machine removes, so that deleting the
   * resource contacts no machine. Default: false
   */
  readonly leavesPart?: boolean;
}

/** A machine; its scripts are its children, named `${name}-...`. */
export class Host extends pulumi.ComponentResource {
  readonly generation: number;
  readonly lost: boolean;
  readonly away: boolean;
  readonly address: string;
  private readonly target: SshTarget;
  private cleanUp: remote.Command | undefined;

  constructor(
    readonly name: string,
    args: HostArgs,
    options?: pulumi.ComponentResourceOptions,
  ) {
    super(componentType("Host"), name, {}, options);
    this.generation = args.generation;
    this.lost = args.lost;
    this.away = args.away;
    this.address = args.address;
    this.target = args.target;
    this.registerOutputs({});
  }

  /** The machine's SSH host key, `TYPE BASE64`. */
  get hostKey(): string {
    return this.target.hostKey;
  }

  /** Scripts can run there now. */
  get reachable(): boolean {
    return !this.lost && !this.away;
  }

  /** Installs a part on this machine; deleting the resource removes the part. */
  runPart(
    what: string,
    part: pulumi.Input<HostPart>,
    options: { readonly dependsOn?: readonly pulumi.Resource[]; readonly secret?: boolean } = {},
  ): remote.Command {
    const { dependsOn = [], secret = false } = options;
    const { generation } = this;
    const script = pulumi
      .output(part)
      .apply((resolved) => partScript(resolved as HostPart, { generation }));
    return this.run(what, { script, removes: true, secret }, { dependsOn });
  }

  /** Runs a script on this machine. */
  run(
    what: string,
    args: Omit<RemoteScriptArgs, "target" | "node" | "lost" | "away">,
    options: RunOptions = {},
  ): remote.Command {
    const { owner = this, dependsOn = [], aliases = [], beforeUpdate } = options;
    const { leavesPart = args.removes === true } = options;
    return remoteScript(
      `${owner.name}-${what}`,
      { ...args, ...this.machine() },
      {
        parent: owner,
        dependsOn: [...dependsOn, ...(leavesPart ? [this.leftovers(dependsOn)] : [])],
        aliases: aliases.map((name) => ({ name })),
        ...(beforeUpdate === undefined ? {} : { hooks: { beforeUpdate: [beforeUpdate] } }),
      },
    );
  }

  /**
   * What comes before every part of this machine, and is deleted after them: it removes those that
   * an `up` has begun and not finished. They are in no state.
   */
  private leftovers(dependsOn: readonly pulumi.Resource[]): remote.Command {
    this.cleanUp ??= remoteScript(
      `${this.name}-clean-up`,
      {
        script: cleanUpScript(),
        applies: false,
        removes: true,
        ...this.machine(),
      },
      // with the first part: a host that is only checked is never contacted again
      { parent: this, dependsOn: [...dependsOn] },
    );
    return this.cleanUp;
  }

  private machine() {
    return { target: this.target, node: this.name, lost: this.lost, away: this.away };
  }
}
