import { z } from "zod";
import type { KubeadmAdvice } from "./kubeadm-advice";

/** What a host needs to join as a control-plane node. SECRET */
export interface JoinCredentials {
  /** Bootstrap token. */
  readonly token: string;
  /** Hashes of the cluster CA's public key, `sha256:...`. */
  readonly caCertHashes: readonly string[];
  /** Decrypts the certificates that another control-plane node uploaded. */
  readonly certificateKey: string;
  /** PEM of the cluster CA, base64. */
  readonly caCert: string;
}

// These alphabets are safe in kubeadm's configuration and in sed.
const joinCredentialsSchema = z.object({
  token: z.string().regex(/^[a-z0-9]{6}\.[a-z0-9]{16}$/),
  caCertHashes: z.array(z.string().regex(/^sha256:[0-9a-f]{64}$/)).min(1),
  certificateKey: z.string().regex(/^[0-9a-f]{64}$/),
  caCert: z.string().regex(/^[A-Za-z0-9+/]+=*$/),
});

/**
 * The join credentials of other control-plane nodes, or why they are unusable (without secrets).
 */
export type JoinCredentialsResult =
  | {
      readonly credentials: readonly JoinCredentials[];
      /**
       * When a node said that it has no cluster, in seconds since 1970: the oldest answer, 0 for one
       * without a time. Undefined: no node said so.
       */
      readonly absentSince?: number;
    }
  | { readonly error: string };

/** Reads lines of `joinCredentialsScript`; `""` and `absent SECONDS` give none. */
export function readJoinCredentials(
  lines: readonly string[],
  advice: KubeadmAdvice,
): JoinCredentialsResult {
  const credentials: JoinCredentials[] = [];
  const absent: number[] = [];
  for (const line of lines.map((text) => text.trim())) {
    const none = /^(?:absent(?: ([0-9]{1,12}))?)?$/.exec(line);
    if (none !== null) {
      absent.push(Number(none[1] ?? 0));
      continue;
    }
    const parsed = parseLine(line);
    if (parsed === undefined) {
      return {
        error: `the join credentials of another control-plane node cannot be read; nothing was changed. To have them issued again: ${advice.joinCredentials}`,
      };
    }
    credentials.push(parsed);
  }
  if (new Set(credentials.map(({ caCert }) => caCert)).size > 1) {
    return {
      error: `the other control-plane nodes are of different clusters: their CAs differ; nothing was changed. Compare \`sha256sum /etc/kubernetes/pki/ca.crt\` on them. If a node belongs to another cluster: ${advice.excludeNode}`,
    };
  }
  return { credentials, ...(absent.length > 0 ? { absentSince: Math.min(...absent) } : {}) };
}

function parseLine(line: string): JoinCredentials | undefined {
  const encoded = /^join-credentials ([A-Za-z0-9+/]+=*)$/.exec(line)?.[1];
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
