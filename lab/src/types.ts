import type { Log } from "../../tools/src/index";
import type { AddedMachine } from "./added-machines";
import type { Seed } from "./seed";
import type { Role } from "./state";

/** Observed state of a machine. */
export interface MachineInfo {
  readonly name: string;
  readonly address: string;
  readonly role: Role;
  readonly running: boolean;
  /** The machine runs, but its network cable is unplugged. */
  readonly cut: boolean;
}

export interface LabOptions {
  /** @default "dev" */
  readonly name?: string;
  /** Control-plane nodes m1, m2, ... @default 3 */
  readonly machines?: number;
  /** Workers w1, w2, ... @default 0 */
  readonly workers?: number;
  /** Progress. @default stderr */
  readonly log?: Log;
}

/** How to reach the machines by SSH. */
export interface LabSsh {
  /** Unprivileged; may use sudo without a password. */
  readonly user: string;
  readonly port: 22;
  readonly privateKeyFile: string;
  readonly privateKey: string;
  /** "ssh-ed25519 AAAA...", the same for all machines. */
  readonly hostKey: string;
}

/** A machine to add, and what it boots from. */
export interface UserDataMachine extends AddedMachine, Pick<Seed, "userData"> {
  /** @default instance-id and local-hostname: the machine's name */
  readonly metaData?: Seed["metaData"];
}
