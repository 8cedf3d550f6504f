import { isIP } from "node:net";
import { canonicalAddress, hostPort } from "../haproxy/address";
import { mergeProblems } from "../host/user-data/merge-kubeadm-config-spec";
import { readRange } from "./address-ranges";
import { isAllowed } from "./networks";
import type { Parsed } from "./schema";
import { expectedAt, type ValidationError } from "./validation";

type Known = Partial<Parsed> & Pick<Parsed, "nodes" | "loadBalancers">;
type Fields = Readonly<Record<string, unknown>>;

/** HAProxy checks each of them all the time, whether it exists or not. */
export const MOST_ADDRESSES = 16;

const NOTHING = { files: [], preKubeadmCommands: [], postKubeadmCommands: [] };

const SPEC = "clusterApi.kubeadmControlPlane.spec";

/** What cannot be with bootstrap clusterApi, and what it needs. */
export function clusterApiConflicts(settings: Known): ValidationError[] {
  const { clusterApi } = settings;
  return [
    ...unused(settings),
    ...discoveryConflicts(settings),
    ...hostConflicts(settings),
    ...(clusterApi === undefined
      ? [{ path: "clusterApi", message: "missing: bootstrap clusterApi needs clusterApi.name" }]
      : [...addressConflicts(settings), ...controlPlaneConflicts(settings)]),
  ];
}

/** Cluster API makes the machines and runs kubeadm there: these say nothing to it. */
function unused({ ssh, nodes, kubeadm, kubeconfig, clusterName }: Known): ValidationError[] {
  const set: readonly (readonly [string, boolean, string])[] = [
    ["ssh", ssh !== undefined, "nobody logs in to a machine"],
    ["nodes", Object.keys(nodes).length > 0, "Cluster API makes the control-plane nodes"],
    ["kubeadm", !isUnset(kubeadm), `kubeadm's settings stand in ${SPEC}.kubeadmConfigSpec`],
    ["kubeconfig", kubeconfig !== undefined, "clusterApi.kubeconfig is the management cluster's"],
    ["clusterName", clusterName !== undefined, "clusterApi.name is the cluster's name"],
  ];
  return set
    .filter(([, isSet]) => isSet)
    .map(([path, , why]) => ({
      path,
      message: `has no effect with bootstrap clusterApi, as ${why}: leave it out`,
    }));
}

function isUnset(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (typeof value === "object" && value !== null) return Object.values(value).every(isUnset);
  return value === undefined || value === false;
}

function discoveryConflicts({ discovery }: Known): ValidationError[] {
  if (discovery !== "configMap") return [];
  const message =
    "is configMap, and with bootstrap clusterApi nobody runs pulumi up when machines change: set it to endpoints or both";
  return [{ path: "discovery", message }];
}

/** Without dedicated hosts nobody knows the address of a machine for long. */
function hostConflicts({ endpoint, token, topology, loadBalancers }: Known): ValidationError[] {
  if (Object.keys(loadBalancers).length > 0) return [];
  const bound = endpoint?.addresses.map(canonicalAddress) ?? [];
  const host = canonicalAddress(endpoint?.host ?? "");
  return [
    ...(isIP(host) === 0 || bound.includes(host)
      ? []
      : [
          {
            path: "endpoint.host",
            message: `HAProxy does not listen on ${host}, as Cluster API replaces machines: use a virtual IP, and list it under endpoint.addresses too`,
          },
        ]),
    ...(topology === "external" && token?.delivery === "file"
      ? [
          {
            path: "token.delivery",
            message:
              "file is not possible on control-plane nodes, which fetch the token themselves: set environment",
          },
        ]
      : []),
  ];
}

/** Errors in the addresses that control-plane nodes can have. */
function addressConflicts({ clusterApi, loadBalancers, allow = [] }: Known): ValidationError[] {
  const path = "clusterApi.controlPlaneAddresses";
  const texts = clusterApi?.controlPlaneAddresses ?? [];
  const dedicated = Object.keys(loadBalancers).length > 0;
  if (dedicated !== texts.length > 0) {
    const message = dedicated
      ? "missing: HAProxy on loadBalancers starts with the addresses that control-plane nodes can have, like [10.0.0.11-10.0.0.19]"
      : "has no effect without loadBalancers: leave it out";
    return [{ path, message }];
  }
  const errors = texts.flatMap((text, index) => {
    const range = readRange(text, MOST_ADDRESSES);
    if ("problem" in range) return [expectedAt(`${path}[${index}]`, text, range.problem)];
    const outside = range.addresses.find((address) => !isAllowed(allow, address));
    if (outside === undefined) return [];
    const message = `does not hold ${outside} of ${path}[${index}]: kubelet and kubeadm there use the endpoint`;
    return [{ path: "allow", message }];
  });
  if (errors.length > 0) return errors;
  const count = possibleAddresses(texts).length;
  if (count <= MOST_ADDRESSES) return [];
  return [{ path, message: `got ${count} addresses, expected at most ${MOST_ADDRESSES}` }];
}

/** The addresses that control-plane nodes can have, each once; of a configuration without errors. */
export function possibleAddresses(texts: readonly string[]): string[] {
  return [
    ...new Set(
      texts.flatMap((text) => {
        const range = readRange(text, MOST_ADDRESSES);
        return "addresses" in range ? range.addresses : [];
      }),
    ),
  ];
}

/** The fields of the user's spec on which the endpoint depends. */
function controlPlaneConflicts({ clusterApi, endpoint, ports }: Known): ValidationError[] {
  const spec = clusterApi?.kubeadmControlPlane?.spec;
  if (spec === undefined) return [];
  const kubeadm = "kubeadmConfigSpec";
  const at = (path: string) => valueAt(spec, path.split("."));
  const api = ports?.api ?? 6443;
  const ours = endpoint === undefined ? undefined : hostPort(endpoint.host, endpoint.port);
  const wrong = (path: string, expected: string) =>
    expectedAt(`${SPEC}.${path}`, at(path), expected);
  const given = at(`${kubeadm}.clusterConfiguration.controlPlaneEndpoint`);
  const format = at(`${kubeadm}.format`);
  const certSANs = `${kubeadm}.clusterConfiguration.apiServer.certSANs`;
  const bindPorts = [
    `${kubeadm}.initConfiguration.localAPIEndpoint.bindPort`,
    `${kubeadm}.joinConfiguration.controlPlane.localAPIEndpoint.bindPort`,
  ];
  return [
    ...["version", "machineTemplate"]
      .filter((key) => at(key) === undefined)
      .map((key) => wrong(key, "the field, as in Cluster API's documents")),
    ...(isFields(at(kubeadm) ?? {})
      ? mergeProblems((at(kubeadm) ?? {}) as Fields, NOTHING).map(({ path, message }) => ({
          path: `${SPEC}.${kubeadm}.${path}`,
          message,
        }))
      : [wrong(kubeadm, "an object")]),
    ...(format === undefined || format === "cloud-config"
      ? []
      : [wrong(`${kubeadm}.format`, "cloud-config: our files and commands are for cloud-init")]),
    ...(given === undefined || given === ours
      ? []
      : [
          wrong(
            `${kubeadm}.clusterConfiguration.controlPlaneEndpoint`,
            `${ours}, the endpoint of this stack, or no value`,
          ),
        ]),
    ...(Array.isArray(at(certSANs) ?? []) ? [] : [wrong(certSANs, "a list")]),
    ...bindPorts
      .filter((path) => (at(path) ?? 6443) !== api)
      .map((path) => wrong(path, `${api}, as in ports.api`)),
  ];
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((inside, key) => (isFields(inside) ? inside[key] : undefined), value);
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
