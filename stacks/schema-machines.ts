import { address, dnsName, flag, host, hostKey, keys, port, text, whole } from "./fields";

/**
 * Name of a machine: the key in `nodes` or `loadBalancers`. A key of the ConfigMap and a label hold
 * 63 characters.
 */
export const nodeName = dnsName("a node name: a DNS name in lower case, at most 63 characters", 63);

const hostKeyOf = (what: string, otherwise: string) => ({
  hostKey: hostKey()
    .optional()
    .describe(`SSH host key of ${what} (\`ssh-ed25519 AAAA...\`).${otherwise}`),
  hostKeyFile: text("a path").optional().describe("The same as the path of a `.pub` file."),
});

const credentials = {
  privateKey: text("a private key in PEM or OpenSSH format")
    .optional()
    .meta({ description: "Private key, PEM or OpenSSH.", secret: true }),
  privateKeyFile: text("a path")
    .optional()
    .describe(
      "Path of the private key's file; `~/` is the home directory. Its text goes into the state, encrypted: use an [agent](operations.md#several-operators) for a personal key.",
    ),
  privateKeyPassword: text("a passphrase")
    .optional()
    .meta({ description: "Passphrase of the private key.", secret: true }),
  agentSocketPath: text("a path")
    .optional()
    .describe(
      "Socket of an SSH agent; the path goes into the state. Default: `$SSH_AUTH_SOCK`, of which nothing does.",
    ),
};

/** One entry of `nodes` or `loadBalancers`. */
export const nodeSchema = keys({
  address: address().describe("IP address by which the other machines reach it."),
  sshHost: host().optional().describe("Name or address for SSH. Default: `address`."),
  sshPort: port().optional().describe("Port for SSH. Default: `ssh.port`."),
  ...hostKeyOf("the machine", " Default: `ssh.hostKey`."),
  generation: whole(1, 1_000_000)
    .default(1)
    .describe(
      "Raise it after you [reprovision the machine](operations.md#replace-a-control-plane-node): all scripts run there again.",
    ),
  lost: flag()
    .default(false)
    .describe(
      "`true` for a machine that is [gone for good](operations.md#a-machine-is-gone-for-good): nothing runs there any more, and you can remove it without reaching it.",
    ),
  away: flag()
    .default(false)
    .describe(
      "`true` for a machine that is [off for repair](operations.md#a-machine-is-off-for-repair): nothing runs there, and it stays a member of the cluster and a backend. Without the key, the next `up` makes its changes there.",
    ),
});

/** How the program reaches the machines. */
export const ssh = keys({
  user: text("a user's name", /^[A-Za-z_][A-Za-z0-9_.-]*$/)
    .default("root")
    .describe("Any other user needs sudo without a password."),
  port: port().default(22).describe("SSH port of the machines."),
  ...hostKeyOf("every machine that has none of its own", " Host keys are always verified."),
  ...credentials,
  bastion: keys({
    host: host().describe("Name or address of the bastion."),
    port: port().default(22).describe("SSH port of the bastion."),
    user: text("a user's name").default("root").describe("User on the bastion."),
    ...hostKeyOf("the bastion", ""),
    ...credentials,
  })
    .optional()
    .describe(
      "A host to go through. It takes the credentials of `ssh` unless it has its own (`privateKey` and so on).",
    ),
}).describe("How the program reaches the machines by SSH.");
