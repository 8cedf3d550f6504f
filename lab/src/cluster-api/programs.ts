import { join } from "node:path";
import type { Files } from "./access";
import type { Program } from "./processes";

/** The managers of Cluster API, each with its folder in the module's sources. */
export const MANAGERS = [
  { name: "core", binary: "core-manager", folder: "core" },
  { name: "bootstrap", binary: "bootstrap-manager", folder: "bootstrap/kubeadm" },
  { name: "control-plane", binary: "control-plane-manager", folder: "controlplane/kubeadm" },
] as const;

export type ManagerName = (typeof MANAGERS)[number]["name"];

/** Ports on loopback, all below the range of ports that the kernel gives to clients. */
export interface Ports {
  readonly etcd: number;
  readonly etcdPeers: number;
  readonly api: number;
  readonly webhooks: Readonly<Record<ManagerName, number>>;
  readonly health: Readonly<Record<ManagerName, number>>;
}

/** The ports of the management cluster of a lab, given the lab's number. */
export function portsOf(index: number): Ports {
  const first = 21_000 + index * 10;
  const three = (from: number) => ({ core: from, bootstrap: from + 1, "control-plane": from + 2 });
  return {
    etcd: first,
    etcdPeers: first + 1,
    api: first + 2,
    webhooks: three(first + 3),
    health: three(first + 6),
  };
}

/** etcd, whose data may be lost with the computer. */
export function etcd(binaries: string, { folder }: Files, ports: Ports): Program {
  const client = `http://127.0.0.1:${ports.etcd}`;
  const peer = `http://127.0.0.1:${ports.etcdPeers}`;
  return {
    name: "etcd",
    command: [
      join(binaries, "etcd"),
      "--name=management",
      `--data-dir=${join(folder, "etcd")}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=management=${peer}`,
      "--unsafe-no-fsync",
    ],
  };
}

/** The API server. No kubelet, scheduler or controller of Kubernetes runs beside it. */
export function apiServer(binaries: string, files: Files, ports: Ports): Program {
  const [certificate, key] = ["tls.crt", "tls.key"].map((name) => join(files.certificates, name));
  return {
    name: "kube-apiserver",
    command: [
      join(binaries, "kube-apiserver"),
      "--bind-address=127.0.0.1",
      "--advertise-address=127.0.0.1",
      "--endpoint-reconciler-type=none",
      `--secure-port=${ports.api}`,
      `--etcd-servers=http://127.0.0.1:${ports.etcd}`,
      `--tls-cert-file=${certificate}`,
      `--tls-private-key-file=${key}`,
      `--token-auth-file=${files.tokens}`,
      "--authorization-mode=RBAC",
      "--disable-admission-plugins=ServiceAccount",
      "--service-cluster-ip-range=10.0.0.0/24",
      `--service-account-issuer=https://127.0.0.1:${ports.api}`,
      `--service-account-key-file=${certificate}`,
      `--service-account-signing-key-file=${key}`,
    ],
  };
}

/** Owned objects go with their owners: Cluster API's Secrets with a Cluster, for example. */
export function garbageCollector(binaries: string, files: Files): Program {
  return {
    name: "kube-controller-manager",
    command: [
      join(binaries, "kube-controller-manager"),
      `--kubeconfig=${files.kubeconfig}`,
      "--controllers=garbage-collector-controller,namespace-controller",
      "--leader-elect=false",
      // no port of its own
      "--secure-port=0",
    ],
  };
}

/** One of Cluster API's managers, with the feature gates that upstream has on by default. */
export function manager(
  binaries: string,
  { name, binary }: (typeof MANAGERS)[number],
  files: Files,
  ports: Ports,
): Program {
  return {
    name,
    command: [
      join(binaries, binary),
      `--kubeconfig=${files.kubeconfig}`,
      `--webhook-port=${ports.webhooks[name]}`,
      `--webhook-cert-dir=${files.certificates}`,
      `--health-addr=127.0.0.1:${ports.health[name]}`,
      "--diagnostics-address=0",
      // new objects have the storage version already
      "--skip-crd-migration-phases=StorageVersionMigration,CleanupManagedFields",
    ],
  };
}
