import { z } from "zod";
import { isUsableAddress } from "../haproxy/address";
import { DURATION, formatDuration, parseDuration } from "./duration";

// Each message here says what is expected; validation.ts puts the path and the value seen in front.

/**
 * A text.
 *
 * @param pattern without flags: config.schema.json cannot express them. @default any but empty
 */
export function text(expected: string, pattern?: RegExp) {
  const error = expected;
  const string = z.string({ error });
  return pattern === undefined ? string.min(1, { error }) : string.regex(pattern, { error });
}

/** A whole number from `min` to `max`. */
export function whole(min: number, max: number, note = "") {
  const error = `a whole number from ${min} to ${max}${note}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/**
 * A time from `min` to `max`, read into milliseconds.
 *
 * @param min as text, like `1ms`
 * @param max as text, like `24h`
 */
export function duration(min: string, max: string) {
  return time(min, max, "ms");
}

/** A time in whole seconds from `min` to `max`, read into seconds. */
export function wholeSeconds(min: string, max: string) {
  return time(min, max, "s");
}

function time(min: string, max: string, step: "ms" | "s") {
  const ms = (value: string) => parseDuration(value) ?? NaN;
  const size = ms(`1${step}`);
  const inWhat = step === "s" ? "a time in whole seconds" : "a time";
  const error = "a time with a unit like 700ms, 30s, 10m or 24h";
  return z
    .string({ error })
    .regex(DURATION, { error, abort: true })
    .refine((value) => ms(value) >= ms(min) && ms(value) <= ms(max) && ms(value) % size === 0, {
      error: `${inWhat} from ${formatDuration(ms(min))} to ${formatDuration(ms(max))}`,
    })
    .transform((value) => ms(value) / size);
}

/** `true` or `false`. */
export function flag() {
  return z.boolean({ error: "true or false" });
}

/** One of these words. */
export function oneOf<const T extends readonly [string, ...string[]]>(words: T) {
  return z.enum(words, { error: words.join(" or ") });
}

/** A list; default: empty. */
export function list<T extends z.ZodType>(item: T, expected: string) {
  return z.array(item, { error: `a list of ${expected}` }).default([]);
}

/** An object with these keys and no others. */
export function keys<T extends z.ZodRawShape>(shape: T) {
  const known = Object.keys(shape).join(", ");
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `unknown key; known here: ${known}`
        : `an object with the keys ${known}`,
  });
}

/** A TCP port. */
export const port = () => whole(1, 65535);

/** A DNS name in lower case, RFC 1123, at most `max` characters long. */
export const dnsName = (expected: string, max = 253) =>
  z
    .hostname({ error: expected })
    .max(max, { error: expected })
    .regex(/^[^A-Z]+$/, { error: expected })
    .regex(/[^.]$/, { error: expected });

/** An address by which other machines reach a host. */
export const address = () => {
  const error =
    "an IP address that other machines reach, like 10.0.0.11 or fd00::11 (no loopback, link-local or multicast)";
  return z.union([z.ipv4(), z.ipv6()], { error }).refine(isUsableAddress, { error });
};

/** A host that something connects to. */
export const host = () => {
  const error = "an IP address or a DNS name in lower case";
  // digits and dots alone are a mistyped address
  const name = dnsName(error).regex(/[^0-9.]/);
  return z.union([z.ipv4(), z.ipv6(), name], { error });
};

/** A network. */
export const cidr = () =>
  z.union([z.cidrv4(), z.cidrv6()], { error: "a CIDR like 10.0.0.0/8 or fd00::/8" });

// The command provider offers ssh-rsa (SHA-1) for an RSA key, which OpenSSH 8.8 and later refuses:
// https://www.openssh.com/txt/release-8.8
const HOST_KEY_TYPES = "ssh-ed25519|ecdsa-sha2-nistp(256|384|521)";
const HOST_KEY = new RegExp(`^(${HOST_KEY_TYPES}) [A-Za-z0-9+/]{40,}={0,2}( .*)?$`);

/** Is this one line as in a `.pub` file? */
export function isHostKey(value: string): boolean {
  return HOST_KEY.test(value);
}

/** A public host key, as `ssh-keyscan -t ed25519 HOST` prints it behind the host's name. */
export const hostKey = () =>
  text(
    'a public host key like "ssh-ed25519 AAAA..." (without a host in front), ed25519 or ecdsa: use the host\'s ed25519 or ecdsa key in place of an RSA one',
    HOST_KEY,
  );

/** A Kubernetes quantity for CPU or memory, like 250m, 1, 64Mi. */
const quantity = () =>
  text("a quantity like 250m or 64Mi", /^[0-9]+(\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?$/);

interface Amounts {
  readonly cpu?: string;
  readonly memory?: string;
}

/** Requests and limits of a container; an amount that is left out has its default. */
export function resources(defaults: { readonly requests: Amounts; readonly limits: Amounts }) {
  const amount = (byDefault: string | undefined) =>
    byDefault === undefined ? quantity().optional() : quantity().default(byDefault);
  const amounts = ({ cpu, memory }: Amounts, what: string) =>
    keys({
      cpu: amount(cpu).describe(`${what} of CPU, like \`500m\`.`),
      memory: amount(memory).describe(`${what} of memory, like \`64Mi\`.`),
    }).prefault({});
  return keys({
    requests: amounts(defaults.requests, "Request"),
    limits: amounts(defaults.limits, "Limit"),
  }).prefault({});
}

// registry host with optional port, path, tag, digest: https://github.com/distribution/reference
const IMAGE =
  /^([a-zA-Z0-9.-]+(:[0-9]+)?\/)?[a-z0-9]+([._/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$/;

/** A reference to a container image. */
export const image = () =>
  text("an image reference like registry.example/haproxy:3.0.11 or ...@sha256:...", IMAGE);
