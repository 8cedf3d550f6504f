import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { HostPart } from "../../host/part";
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
}

/** A machine; what runs on it by SSH is its child, named `${name}-...`. */
export class Host extends pulumi.ComponentResource {
  readonly generation: number;
  readonly lost: boolean;
  readonly address: string;
  private readonly target: SshTarget;

  constructor(
    readonly name: string,
    args: HostArgs,
    options?: pulumi.ComponentResourceOptions,
  ) {
    super(componentType("Host"), name, {}, options);
    this.generation = args.generation;
    this.lost = args.lost;
    this.address = args.address;
    this.target = args.target;
    this.registerOutputs({});
  }

  /** Brings a part to this machine, and takes it away when the resource is deleted. */
  runPart(
    what: string,
    part: pulumi.Input<HostPart>,
    options: { readonly dependsOn?: readonly pulumi.Resource[]; readonly secret?: boolean } = {},
  ): remote.Command {
    const { dependsOn = [], secret = false } = options;
    const { generation } = this;
    const script = pulumi
      .output(part)
      .apply((each) => partScript(each as HostPart, { generation }));
    return this.run(what, { script, removes: true, secret }, { dependsOn });
  }

  /**
   * Runs a script on this machine for itself, or for another one (`owner`), whose child it then is.
   */
  run(
    what: string,
    args: Omit<RemoteScriptArgs, "target" | "lost">,
    options: { readonly dependsOn?: readonly pulumi.Resource[]; readonly owner?: Host } = {},
  ): remote.Command {
    const owner = options.owner ?? this;
    return remoteScript(
      `${owner.name}-${what}`,
      { ...args, target: this.target, lost: this.lost },
      { parent: owner, dependsOn: [...(options.dependsOn ?? [])] },
    );
  }
}
