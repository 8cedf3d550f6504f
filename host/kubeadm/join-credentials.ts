import { z } from "zod";

/** What a control-plane node gives to a host that joins. SECRET. */
export interface Ticket {
  readonly token: string;
  readonly caCertHashes: readonly string[];
  readonly certificateKey: string;
  /** PEM of the cluster CA, base64. */
  readonly caCert: string;
}

// What goes into kubeadm's configuration and into sed is of these alphabets only.
const joinCredentialsSchema = z.object({
  token: z.string().regex(/^[a-z0-9]{6}\.[a-z0-9]{16}$/),
  caCertHashes: z.array(z.string().regex(/^sha256:[0-9a-f]{64}$/)).min(1),
  certificateKey: z.string().regex(/^[0-9a-f]{64}$/),
  caCert: z.string().regex(/^[A-Za-z0-9+/]+=*$/),
});

/** The join credentials of the other control-plane nodes, or why they cannot be used (a text without secrets). */
export type Tickets =
  { readonly tickets: readonly Ticket[] } | { readonly validationError: string };

/** Reads the lines that `ticketScript` printed; `""` and `absent` give none. */
export function readJoinCredentials(lines: readonly string[]): Tickets {
  const tickets: Ticket[] = [];
  for (const line of lines.map((text) => text.trim())) {
    if (line === "" || line === "absent") {
      continue;
    }
    const ticket = readOne(line);
    if (ticket === undefined) {
      return {
        validationError:
          "another master's ticket cannot be read: raise this node's generation in the configuration, then run `pulumi up`: it is made again",
      };
    }
    tickets.push(ticket);
  }
  if (new Set(tickets.map((ticket) => ticket.caCert)).size > 1) {
    return {
      validationError:
        "the other masters are of different clusters: their CAs differ; nothing was changed. Compare `sha256sum /etc/kubernetes/pki/ca.crt` on them, and take those that do not belong here out of the configuration",
    };
  }
  return { tickets };
}

function readOne(line: string): Ticket | undefined {
  const encoded = /^ticket ([A-Za-z0-9+/]+=*)$/.exec(line)?.[1];
  if (encoded === undefined) {
    return undefined;
  }
  try {
    const parsed: unknown = JSON.parse(Buffer.from(encoded, "base64").toString("utf8"));
    return joinCredentialsSchema.safeParse(parsed).data;
  } catch {
    return undefined;
  }
}
