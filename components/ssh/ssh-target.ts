/** One end of an SSH connection. */
export interface SshEnd {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** The public key that the host must show, `TYPE BASE64`. */
  readonly hostKey: string;
  /** SECRET. */
  readonly privateKey?: string;
  /** SECRET. */
  readonly privateKeyPassword?: string;
  /**
   * A preview on a machine that lacks the credentials: those in the stack's state stay. Default:
   * false
   */
  readonly unknownCredentials?: boolean;
  /** Default: the agent of the environment, $SSH_AUTH_SOCK. */
  readonly agentSocketPath?: string;
}

/** How the program reaches a host. */
export interface SshTarget extends SshEnd {
  /** A host to go through. */
  readonly bastion?: SshEnd;
}
