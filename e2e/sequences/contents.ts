/** Contents of the backends' ConfigMap that operators write by accident. Pure. */
import { MAX_BACKENDS } from "../../haproxy/model";
import type { Random } from "./random";

/** The ConfigMap's data: backends as ADDRESS:PORT by the names of their nodes. */
export type Content = Readonly<Record<string, string>>;

/** What contents are made of. */
export interface Surroundings {
  /** The API servers, each with a name: the right content. */
  readonly right: Content;
  /** Addresses that no machine has. */
  readonly nobody: readonly string[];
  /** ADDRESS:PORT of servers that accept connections and are no API server. May be empty. */
  readonly strangers: readonly string[];
  /** ADDRESS:PORT of the load balancers themselves. May be empty. */
  readonly loadBalancers: readonly string[];
}

/** A content and what is wrong with it. */
export interface WrongContent {
  readonly title: string;
  readonly data: Content;
}

/** More entries than a new configuration has free slots: HAProxy must reload. */
const MANY = 9;

/** One of the contents that name no API server. */
export function wrongContent(random: Random, surroundings: Surroundings): WrongContent {
  return random.pick(wrongContents(surroundings));
}

/** Every kind of content that names no API server. */
export function wrongContents(surroundings: Surroundings): readonly WrongContent[] {
  const { nobody, strangers, loadBalancers } = surroundings;
  const names = Object.keys(surroundings.right);
  const [first = ""] = Object.values(surroundings.right);
  const { address, port } = split(first);
  const byName = (values: readonly string[]): Content =>
    Object.fromEntries(names.map((name, at) => [name, values[at % values.length] as string]));
  const ports = (count: number): Content =>
    Object.fromEntries(
      Array.from({ length: count }, (_, at) => [`x${at}`, `${address}:${at + 1}`]),
    );
  const all: WrongContent[] = [
    {
      title: "wrong ports",
      data: byName(
        Object.values(surroundings.right).map((value, at) => `${split(value).address}:${7 + at}`),
      ),
    },
    {
      title: "garbage",
      data: {
        [names[0] ?? "m1"]: "nonsense",
        [names[1] ?? "m2"]: `127.0.0.1:${port}`,
        M3: first,
        empty: "",
        long: "9".repeat(300),
        name: "m1.example:6443",
      },
    },
    { title: "unknown hosts", data: byName(nobody.map((each) => `${each}:${port}`)) },
    { title: `${MANY} keys`, data: ports(MANY) },
    { title: "too many keys", data: ports(MAX_BACKENDS + 44) },
  ];
  if (strangers.length > 0) all.push({ title: "other servers", data: byName(strangers) });
  if (loadBalancers.length > 0) {
    all.push({ title: "the LB port", data: byName(loadBalancers) });
  }
  return all;
}

/** Right entries beside wrong ones: these get other keys, and never name an API server. */
export function mixed(right: Content, wrong: Content, all: Content): Content {
  const apiServers = new Set(Object.values(all));
  const entries = Object.entries(wrong).filter(([, value]) => !apiServers.has(value));
  return {
    ...Object.fromEntries(entries.map(([key, value]) => [`x-${key}`, value])),
    ...right,
  };
}

function split(value: string): { address: string; port: string } {
  const colon = value.lastIndexOf(":");
  return { address: value.slice(0, colon), port: value.slice(colon + 1) };
}
