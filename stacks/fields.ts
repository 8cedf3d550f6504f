import { isIP } from "node:net";
import { z } from "zod";
import { isUsableAddress } from "../haproxy/address";

// Every message here is what is expected; SettingsError puts the path and the value seen in front of it.

/** What is wrong when a value is not what `expected` says. */
type Test = (value: string) => boolean;

/** A text that is not empty and passes the test. */
export function text(expected: string, test: Test = () => true) {
  return z
    .string({ error: expected })
    .refine((value) => value !== "" && test(value), { error: expected });
}

/** A whole number from `min` to `max`. */
export function whole(min: number, max: number, unit = "") {
  const error = `a whole number from ${min} to ${max}${unit}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/** `true` or `false`. */
export function flag() {
  return z.boolean({ error: "true or false" });
}

/** One of these words. `why` follows for words that a user may expect here. */
export function oneOf<const T extends readonly [string, ...string[]]>(words: T, why = "") {
  return z.enum(words, { error: `${words.join(" or ")}${why}` });
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

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** A DNS name in lower case, RFC 1123. */
export function isDnsName(value: string): boolean {
  return value.length <= 253 && value.split(".").every((label) => LABEL.test(label));
}

/** `10.0.0.0/8`, `fd00::/8`. */
export function isCidr(value: string): boolean {
  const [address = "", bits = "", ...more] = value.split("/");
  const family = isIP(address);
  return (
    family !== 0 &&
    more.length === 0 &&
    /^(0|[1-9][0-9]{0,2})$/.test(bits) &&
    Number(bits) <= (family === 4 ? 32 : 128)
  );
}

/** An address by which other machines reach a host. */
export const address = () =>
  text(
    "an IP address that other machines reach, like 10.0.0.11 or fd00::11 (no loopback, link-local or multicast)",
    isUsableAddress,
  );

/** A host that something connects to. */
export const host = () =>
  text(
    "an IP address or a DNS name in lower case",
    (value) => isIP(value) !== 0 || (isDnsName(value) && !/^[0-9.]+$/.test(value)),
  );

export const cidr = () => text("a CIDR like 10.0.0.0/8 or fd00::/8", isCidr);

const HOST_KEY_TYPES = "ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)";
const HOST_KEY = new RegExp(`^(${HOST_KEY_TYPES}) [A-Za-z0-9+/]{40,}={0,2}( .*)?$`);

/** Is this one line as in a `.pub` file? */
export function isHostKey(value: string): boolean {
  return HOST_KEY.test(value);
}

/** A public host key, as `ssh-keyscan -t ed25519 HOST` prints it behind the host's name. */
export const hostKey = () =>
  text('a public host key like "ssh-ed25519 AAAA..." (without a host in front)', isHostKey);

/** A Kubernetes quantity for CPU or memory, like 250m, 1, 64Mi. */
const quantity = () =>
  text("a quantity like 250m or 64Mi", (value) =>
    /^[0-9]+(\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?$/.test(value),
  );

/** Requests and limits of a container; an amount that is left out has its default. */
export function resources(defaults: Resources) {
  const amount = (byDefault: string | undefined) =>
    quantity()
      .optional()
      .transform((value) => value ?? byDefault);
  const amounts = (byDefault: Amounts) =>
    keys({ cpu: amount(byDefault.cpu), memory: amount(byDefault.memory) }).prefault({});
  return keys({
    requests: amounts(defaults.requests),
    limits: amounts(defaults.limits),
  }).prefault({});
}

/** CPU and memory; what is left out is not asked for. */
export interface Amounts {
  readonly cpu?: string | undefined;
  readonly memory?: string | undefined;
}

/** Requests and limits of a container. */
export interface Resources {
  readonly requests: Amounts;
  readonly limits: Amounts;
}

// registry host with optional port, path, tag, digest: https://github.com/distribution/reference
const IMAGE =
  /^([a-zA-Z0-9.-]+(:[0-9]+)?\/)?[a-z0-9]+([._/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$/;

/** A reference to a container image. */
export const image = () =>
  text("an image reference like registry.example/haproxy:3.0.11 or ...@sha256:...", (value) =>
    IMAGE.test(value),
  );
