import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { kubeadmCluster } from "../components/bootstrap/kubeadm";
import { Access } from "../components/cluster/access";
import { Backends } from "../components/cluster/backends";
import { HaproxyDaemonSet } from "../components/cluster/haproxy-daemonset";
import { Host } from "../components/host/host";
import { portForward } from "../components/host/port-forward";
import { preflights } from "../components/host/preflight";
import { NAMESPACE, PRODUCT } from "../names";
import { bundleUpdater } from "../updater/bundle";
import type { Settings } from "./settings";

/** The control-plane endpoint, and how to use the cluster behind it. */
export interface StackOutputs {
  /** `https://HOST:PORT` */
  readonly endpoint: string;
  /** SECRET */
  readonly kubeconfig: pulumi.Output<string>;
}

/**
 * HAProxy as a DaemonSet on the masters, in this order: every host is looked at, the forward is there on every host, kubeadm makes the
 * cluster through it (or it exists), HAProxy takes over.
 */
export function daemonsetStack(settings: Settings): StackOutputs {
  const hosts = settings.nodes.map(
    ({ name, address, ssh, generation, lost }) =>
      new Host(name, { address, target: ssh, generation, lost }),
  );
  const forwards = prepareHosts(hosts, settings);
  const { masters, kubeconfig } = connectCluster(hosts, forwards, settings);
  loadBalance(masters, kubeconfig, settings);
  const { host, port } = settings.endpoint;
  return { endpoint: `https://${host.includes(":") ? `[${host}]` : host}:${port}`, kubeconfig };
}

/** Forwards by the name of their host; none is made before all hosts have passed the preflight. */
function prepareHosts(
  hosts: readonly Host[],
  settings: Settings,
): ReadonlyMap<string, pulumi.Resource> {
  const { ports, ownAddress, allow } = settings;
  const checked = preflights(hosts, {
    ports,
    forward: settings.forward.kind,
    ownAddress,
    allow,
    bootstrap: settings.bootstrap === "kubeadm",
  });
  const forward = {
    kind: settings.forward.kind,
    lbPort: ports.lb,
    apiPort: ports.api,
    ownAddress,
    allow,
  };
  return new Map(hosts.map((host) => [host.name, portForward(host, forward, checked)]));
}

interface Master {
  readonly host: Host;
  /** What makes the host a master with a forward. */
  readonly ready: pulumi.Resource;
}

/** The masters that are not lost, and the way into their cluster. */
function connectCluster(
  hosts: readonly Host[],
  forwards: ReadonlyMap<string, pulumi.Resource>,
  settings: Settings,
): { masters: Master[]; kubeconfig: pulumi.Output<string> } {
  const mastersBy = (ready: ReadonlyMap<string, pulumi.Resource>): Master[] =>
    hosts
      .filter(({ lost }) => !lost)
      .map((host) => ({ host, ready: ready.get(host.name) as pulumi.Resource }));
  if (settings.kubeconfig !== undefined) {
    return { masters: mastersBy(forwards), kubeconfig: pulumi.secret(settings.kubeconfig) };
  }
  const { resetOnDestroy, ...kubeadm } = settings.kubeadm;
  const cluster = kubeadmCluster({
    hosts,
    settings: {
      ...kubeadm,
      ...(settings.clusterName === undefined ? {} : { clusterName: settings.clusterName }),
      endpoint: settings.endpoint,
      apiPort: settings.ports.api,
    },
    resetOnDestroy,
    drainSeconds: settings.updater.drainSeconds,
    dependsOn: [...forwards.values()],
  });
  return { masters: mastersBy(cluster.masters), kubeconfig: cluster.kubeconfig };
}

function loadBalance(
  masters: readonly Master[],
  kubeconfig: pulumi.Output<string>,
  settings: Settings,
): void {
  const { ports, allow, haproxy, updater } = settings;
  // nothing changes in the cluster before the masters are ready
  const provider = new kubernetes.Provider(
    "cluster",
    {
      kubeconfig,
      namespace: NAMESPACE,
      // a kubeconfig that is not known yet, or another one, must not replace everything in the cluster
      clusterIdentifier: `${PRODUCT}-${pulumi.getStack()}`,
      // else a change of one value replaces the object
      enableConfigMapMutable: true,
      enableSecretMutable: true,
      // what an interrupted run has made, and no state knows of, is taken over
      upsertExistingObjects: true,
    },
    { dependsOn: masters.map(({ ready }) => ready) },
  );
  const inCluster = { providers: { kubernetes: provider } };
  const access = new Access("access", { discovery: settings.discovery }, inCluster);
  const backends = new Backends(
    "backends",
    {
      masters: masters.map(({ host, ready }) => ({
        name: host.name,
        address: host.address,
        dependsOn: [ready],
      })),
      apiPort: ports.api,
    },
    inCluster,
  );
  new HaproxyDaemonSet(
    "haproxy",
    {
      settings: {
        port: ports.lb,
        healthPort: ports.health,
        apiPort: ports.api,
        allow,
        maxConnections: haproxy.maxConnections,
        timeouts: haproxy.timeouts,
        checks: haproxy.checks,
        discovery: settings.discovery,
        drainSeconds: updater.drainSeconds,
        retainSeconds: updater.retainSeconds,
      },
      updaterScript: bundleUpdater(),
      haproxyImage: haproxy.image,
      haproxyResources: haproxy.resources,
      updaterImage: updater.image,
      updaterResources: updater.resources,
      imagePullSecrets: settings.imagePullSecrets,
      dependsOn: [...access.rights, ...backends.entries],
    },
    inCluster,
  );
}
