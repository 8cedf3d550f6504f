import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import type { SshEnd, SshTarget } from "../components/ssh/ssh-target";
import { isHostKey } from "./fields";
import { looksSecret, type ValidationError } from "./validation";
import type { Parsed } from "./schema";

/** Files and variables that the configuration refers to. */
export interface Environment {
  /**
   * Reads a file that a setting names; `~/` is the home directory. @throws when it cannot be read
   */
  readonly readFile: (path: string) => string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * A preview connects to no host: credentials that are not there are no error, and this gets the
   * reason. @default an error
   */
  readonly withoutCredentials?: (reason: string) => void;
}

/** The files and variables of this process. */
export const OF_THIS_PROCESS: Environment = {
  readFile: (path) => readFileSync(resolve(path.replace(/^~(?=\/)/, homedir())), "utf8"),
  env: process.env,
};

interface Keyed {
  readonly hostKey?: string | undefined;
  readonly hostKeyFile?: string | undefined;
}

interface Credentials {
  readonly privateKey?: string | undefined;
  readonly privateKeyFile?: string | undefined;
  readonly privateKeyPassword?: string | undefined;
  readonly agentSocketPath?: string | undefined;
}

type Authentication = Pick<
  SshEnd,
  "privateKey" | "privateKeyPassword" | "agentSocketPath" | "unknownCredentials"
>;

/**
 * How SSH reaches each machine, by name. Reads the files; adds what is missing or contradictory to
 * `errors`.
 */
export function readTargets(
  settings: Partial<Parsed> & Pick<Parsed, "nodes" | "loadBalancers">,
  errors: ValidationError[],
  environment: Environment = OF_THIS_PROCESS,
): Map<string, SshTarget> {
  const { ssh, nodes, loadBalancers } = settings;
  if (ssh === undefined) return new Map();
  const read = new Reader(errors, environment);
  const credentials = read.authentication("ssh", ssh);
  const common = read.hostKey("ssh", ssh);
  const bastion = ssh.bastion && readBastion(ssh.bastion, credentials, read);
  const machines = [
    ...Object.entries(nodes).map(([name, node]) => [`nodes.${name}`, name, node] as const),
    ...Object.entries(loadBalancers).map(
      ([name, node]) => [`loadBalancers.${name}`, name, node] as const,
    ),
  ];
  return new Map(
    machines.map(([path, name, node]) => {
      const host = node.sshHost ?? node.address;
      const target: SshTarget = {
        host,
        port: node.sshPort ?? ssh.port,
        user: ssh.user,
        hostKey: read.required(path, host, read.hostKey(path, node) ?? common),
        ...credentials,
        ...(bastion === undefined ? {} : { bastion }),
      };
      return [name, target];
    }),
  );
}

/** The bastion takes the nodes' credentials unless its settings name others. */
function readBastion(
  bastion: NonNullable<NonNullable<Parsed["ssh"]>["bastion"]>,
  nodes: Authentication,
  read: Reader,
): SshEnd {
  const path = "ssh.bastion";
  const { host, port, user, privateKey, privateKeyFile, agentSocketPath } = bastion;
  const hasCredentials = [privateKey, privateKeyFile, agentSocketPath].some(
    (value) => value !== undefined,
  );
  return {
    host,
    port,
    user,
    hostKey: read.required(path, host, read.hostKey(path, bastion)),
    ...(hasCredentials ? read.authentication(path, bastion) : nodes),
  };
}

class Reader {
  constructor(
    private readonly errors: ValidationError[],
    private readonly environment: Environment,
  ) {}

  authentication(path: string, given: Credentials): Authentication {
    const { withoutCredentials } = this.environment;
    if (withoutCredentials === undefined) return this.credentials(path, given);
    const found: ValidationError[] = [];
    const known = new Reader(found, this.environment).credentials(path, given);
    const missing = found.filter(({ message }) => /^(cannot be read|no credentials)/.test(message));
    this.errors.push(...found.filter((error) => missing.length === 0 || !missing.includes(error)));
    if (missing.length === 0) return known;
    for (const { path: at, message } of missing) withoutCredentials(`${at}: ${message}`);
    return { unknownCredentials: true };
  }

  private credentials(path: string, given: Credentials): Authentication {
    const { privateKeyPassword, agentSocketPath } = given;
    const privateKey = this.either(path, "privateKey", given.privateKey, given.privateKeyFile);
    const some = privateKey ?? given.privateKeyFile ?? agentSocketPath;
    if (some === undefined && !this.environment.env["SSH_AUTH_SOCK"]) {
      this.note(
        path,
        "no credentials: set privateKeyFile, privateKey (with `pulumi config set --secret --path`) or agentSocketPath, or run with SSH_AUTH_SOCK",
      );
    }
    const keyed = privateKey !== undefined || given.privateKeyFile !== undefined;
    if (privateKeyPassword !== undefined && !keyed) {
      this.note(`${path}.privateKeyPassword`, "set without privateKey or privateKeyFile");
    }
    return {
      ...(privateKey === undefined ? {} : { privateKey }),
      ...(privateKeyPassword === undefined ? {} : { privateKeyPassword }),
      ...(agentSocketPath === undefined ? {} : { agentSocketPath }),
    };
  }

  /** Type and key, without the comment. */
  hostKey(path: string, given: Keyed): string | undefined {
    const text = this.either(path, "hostKey", given.hostKey, given.hostKeyFile)?.trim();
    if (text === undefined) return undefined;
    if (!isHostKey(text)) {
      const what = text.startsWith("ssh-rsa ")
        ? "holds an RSA key: use the host's ed25519 or ecdsa key"
        : 'holds no single public host key like "ssh-ed25519 AAAA..."';
      this.note(`${path}.hostKeyFile`, `${given.hostKeyFile} ${what}`);
    }
    return text.split(/\s+/).slice(0, 2).join(" ");
  }

  /** A host key must be known: without one, any machine could pose as the host. */
  required(path: string, host: string, key: string | undefined): string {
    if (key === undefined) {
      this.note(
        `${path}.hostKey`,
        `missing, and no host is trusted unseen: compare what \`ssh-keyscan -t ed25519 ${host}\` prints with /etc/ssh/ssh_host_ed25519_key.pub on the host, then set it here${/^(nodes|loadBalancers)\./.test(path) ? ", or ssh.hostKey for all" : ""}`,
      );
    }
    return key ?? "";
  }

  private either(
    path: string,
    key: string,
    text: string | undefined,
    file: string | undefined,
  ): string | undefined {
    if (text !== undefined && file !== undefined) {
      this.note(`${path}.${key}File`, `set beside ${path}.${key}: leave one of them out`);
    }
    if (text !== undefined || file === undefined) return text;
    if (looksSecret(file)) {
      this.note(`${path}.${key}File`, `holds a key, expected a path: use ${path}.${key} for text`);
      return undefined;
    }
    try {
      return this.environment.readFile(file);
    } catch (error) {
      this.note(`${path}.${key}File`, `cannot be read: ${(error as Error).message}`);
      return undefined;
    }
  }

  private note(path: string, message: string): void {
    this.errors.push({ path, message });
  }
}
