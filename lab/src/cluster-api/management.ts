import { get } from "node:http";
import { join } from "node:path";
import {
  buildProgram,
  type Log,
  removeTree,
  waitUntil,
  withProgress,
} from "../../../tools/src/index";
import type { Lab } from "../lab";
import { accessOf, filesOf, writeAccess, type Files } from "./access";
import { Api } from "./api";
import { installApis, installWebhooks } from "./install";
import { Processes } from "./processes";
import {
  apiServer,
  etcd,
  garbageCollector,
  manager,
  MANAGERS,
  portsOf,
  type Ports,
} from "./programs";

/** On busy computers; an idle one needs 15 s for all of it. */
const DEADLINE_SECONDS = 180;

/** Folders with the programs of a management cluster. */
interface Built {
  readonly etcd: string;
  readonly kubernetes: string;
  readonly clusterApi: string;
}

/**
 * A management cluster for a lab: etcd, an API server and the real managers of Cluster API (core,
 * kubeadm bootstrap, kubeadm control plane) with their webhooks, as processes on loopback; and the
 * lab infrastructure provider, which boots machines of the lab. It ends with the lab.
 */
export class ManagementCluster {
  private readonly files: Files;
  private readonly ports: Ports;
  private readonly processes: Processes;

  private constructor(private readonly lab: Lab) {
    this.files = filesOf(lab);
    this.ports = portsOf(lab.index);
    this.processes = new Processes(lab.name, this.files.folder);
  }

  /** Starts a new one. Missing programs are built first, which takes 6 to 8 minutes. */
  static async start(lab: Lab, log: Log): Promise<ManagementCluster> {
    const built = {
      etcd: await buildProgram("etcd", log),
      kubernetes: await buildProgram("kubernetes", log),
      clusterApi: await buildProgram("cluster-api", log),
    };
    const cluster = new ManagementCluster(lab);
    await cluster.stop();
    await withProgress(log, `management cluster of lab ${lab.name}`, () => cluster.run(built));
    return cluster;
  }

  /** Kubeconfig of an administrator. */
  get kubeconfigFile(): string {
    return this.files.kubeconfig;
  }

  /** A client of an administrator; close it at the end. */
  api(): Api {
    return new Api(accessOf(this.lab));
  }

  /** The last lines of a program's log: "core", "control-plane", "infrastructure" and so on. */
  lastLines(program: string, lines?: number): string {
    return this.processes.lastLines(program, lines);
  }

  /** Ends it and removes its data. The lab's machines stay. */
  async stop(): Promise<void> {
    await this.processes.stop();
    await removeTree(this.files.folder);
  }

  private async run({ etcd: etcdBinaries, kubernetes, clusterApi }: Built): Promise<void> {
    await writeAccess(this.files, this.ports.api);
    await this.processes.start(etcd(etcdBinaries, this.files, this.ports));
    await this.processes.start(apiServer(kubernetes, this.files, this.ports));
    const { certificate } = accessOf(this.lab);
    const servers = MANAGERS.map(({ name, folder }) => ({
      manager: name,
      sources: join(clusterApi, folder),
      port: this.ports.webhooks[name],
      certificate,
    }));
    const api = this.api();
    try {
      await this.waitUntilReady("kube-apiserver", () => api.isReady());
      await this.processes.start(garbageCollector(kubernetes, this.files));
      await installApis(api, servers);
      for (const each of MANAGERS) {
        await this.processes.start(manager(clusterApi, each, this.files, this.ports));
      }
      for (const { name } of MANAGERS) {
        await this.waitUntilReady(name, () => answersHealthy(this.ports.health[name]));
      }
      // an object that needs a webhook is refused until its manager serves it
      await installWebhooks(api, servers);
    } finally {
      api.close();
    }
    const tsx = ["--import", require.resolve("tsx")];
    const provider = [process.execPath, ...tsx, join(__dirname, "provider-main.ts"), this.lab.name];
    await this.processes.start({ name: "infrastructure", command: provider });
  }

  private async waitUntilReady(name: string, probe: () => Promise<boolean>): Promise<void> {
    const lastSeen = () => this.processes.lastLines(name);
    await waitUntil(`start of ${name}`, { seconds: DEADLINE_SECONDS, lastSeen }, probe);
  }
}

function answersHealthy(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = get({ host: "127.0.0.1", port, path: "/readyz", timeout: 2000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    sent.once("timeout", () => sent.destroy());
    sent.once("error", () => resolve(false));
  });
}
