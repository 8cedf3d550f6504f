/** The EndpointSlice of Service default/kubernetes: API servers write it, each renewing a lease. */
import { canonicalAddress, isUsableAddress } from "../../haproxy/address";
import {
  formatBackend,
  type Backend,
  type ParsedBackends,
  type RefusedEntry,
} from "../../haproxy/model";
import { API_SERVERS_SLICE } from "../../names";
import type { WatchedObject } from "./object-source";

/** The fields that the updater reads (discovery.k8s.io/v1). */
export interface EndpointSlice {
  readonly endpoints?: readonly SliceEndpoint[] | null;
  readonly ports?: readonly SlicePort[] | null;
}

interface SliceEndpoint {
  readonly addresses?: readonly string[];
  readonly conditions?: { readonly ready?: boolean | null };
}

interface SlicePort {
  readonly name?: string | null;
  readonly port?: number | null;
}

/** The API servers' slice has the Service's name and the cluster's primary IP family. */
export const WATCHED_SLICE: WatchedObject = {
  title: `EndpointSlice ${API_SERVERS_SLICE.namespace}/${API_SERVERS_SLICE.name}`,
  path: `/apis/discovery.k8s.io/v1/namespaces/${API_SERVERS_SLICE.namespace}/endpointslices`,
  name: API_SERVERS_SLICE.name,
};

const PORT_NAME = "https";

/** Its ready endpoints, named by their addresses; none if there is no such slice. */
export function readSlice(object: EndpointSlice | undefined): ParsedBackends {
  const port = choosePort(object?.ports ?? []);
  const backends = new Map<string, Backend>();
  const refused: RefusedEntry[] = [];
  for (const { addresses, conditions } of object?.endpoints ?? []) {
    // Only the first address counts, and unknown readiness is ready (API of EndpointSlice).
    const [given] = addresses ?? [];
    if (given === undefined || conditions?.ready === false) continue;
    const address = canonicalAddress(given);
    const backend = { name: address, address, port: port ?? 0 };
    const value = formatBackend(backend);
    if (!isUsableAddress(address)) {
      refused.push({ key: given, value, reason: "other machines cannot reach this address" });
    } else if (port === undefined) {
      refused.push({ key: given, value: "", reason: `the slice has no port named ${PORT_NAME}` });
    } else {
      backends.set(value, backend);
    }
  }
  return {
    backends: [...backends.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    refused: refused.sort((a, b) => (a.key < b.key ? -1 : 1)),
  };
}

/** The port named https, or the only one. */
function choosePort(ports: readonly SlicePort[]): number | undefined {
  const named = ports.find(({ name }) => name === PORT_NAME);
  const port = (named ?? (ports.length === 1 ? ports[0] : undefined))?.port;
  return Number.isInteger(port) && port! >= 1 && port! <= 65535 ? port! : undefined;
}
