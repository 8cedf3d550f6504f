import type { HostPart, Sh } from "../part";

/** What a machine does at one point of its first boot: exactly one of `part` and `script`. */
export interface BootStep {
  /** For messages, and for the file with the reason of a failure; like "forward" or "kubeadm". */
  readonly name: string;
  /** What the step installs. */
  readonly part?: HostPart;
  /** A host script (`hostScript`); it runs as `sh -s -- apply STACK NODE`. SECRET where it is one. */
  readonly script?: Sh;
  /** Default: what the part's packages and units may take. */
  readonly deadlineSeconds?: number;
}

/** What a machine does on its first boot, beside kubeadm. */
export interface FirstBootPlan {
  /** Recorded on the host as the holder of the parts. */
  readonly stack: string;
  /** Name of the machine in the host's records. Default: its hostname, found at boot. */
  readonly node?: string;
  readonly beforeKubeadm: readonly BootStep[];
  readonly afterKubeadm: readonly BootStep[];
}

/** A file of the user data. */
export interface BootFile {
  readonly path: string;
  /** Octal mode as for chmod, like "0600". The owner is root. */
  readonly mode: string;
  readonly content: string;
  /** Does it hold a credential? Default: false */
  readonly secret?: boolean;
}

/** A first boot as files and two shell lines: each ends the boot when it fails. */
export interface FirstBoot {
  readonly files: readonly BootFile[];
  readonly beforeKubeadm: string;
  readonly afterKubeadm: string;
}
