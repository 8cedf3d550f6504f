import type { Log } from "../../../tools/src/index";
import type { Lab } from "../lab";
import type { Api } from "./api";
import { API_VERSION, pluralOf } from "./infrastructure";
import {
  dueActions,
  FINALIZER,
  type Action,
  type Cluster,
  type LabCluster,
  type LabMachine,
  type Machine,
  type Metadata,
  type Observed,
} from "./reconcile";

const CORE = "/apis/cluster.x-k8s.io/v1beta2";
const OWN = `/apis/${API_VERSION}`;

/** The lab infrastructure provider: a LabMachine is a machine of the lab. */
export class LabProvider {
  constructor(
    private readonly lab: Lab,
    private readonly api: Api,
    private readonly log: Log,
  ) {}

  /** Does all that is due. One failed action does not keep others from being done. */
  async reconcile(): Promise<void> {
    const actions = dueActions(await this.observe());
    await Promise.all(
      actions.map((action) =>
        this.perform(action).then(
          () => this.log(`${action.target.name}: ${action.kind}`),
          (error: unknown) => this.log(`${action.target.name}: ${action.kind}: ${String(error)}`),
        ),
      ),
    );
  }

  private async observe(): Promise<Observed> {
    const [clusters, machines, labClusters, labMachines] = await Promise.all([
      this.api.list<Cluster>(`${CORE}/clusters`),
      this.api.list<Machine>(`${CORE}/machines`),
      this.api.list<LabCluster>(`${OWN}/${pluralOf("LabCluster")}`),
      this.api.list<LabMachine>(`${OWN}/${pluralOf("LabMachine")}`),
    ]);
    return { clusters, machines, labClusters, labMachines };
  }

  private async perform(action: Action): Promise<void> {
    const { target } = action;
    switch (action.kind) {
      case "cluster-ready":
        return this.patch("LabCluster", target, "/status", PROVISIONED);
      case "add-finalizer":
        return this.setFinalizers(target, [...(target.finalizers ?? []), FINALIZER]);
      case "boot":
        return this.boot(target, action.secret);
      case "power-off":
        await this.lab.discard(target.name);
        return this.setFinalizers(
          target,
          (target.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER),
        );
    }
  }

  private async boot(target: Metadata, secret: string): Promise<void> {
    const { name, namespace, uid } = target;
    const address = (await this.started(name)) ?? (await this.add(name, namespace, uid, secret));
    await this.patch("LabMachine", target, "", { spec: { providerID: `lab://${name}` } });
    await this.patch("LabMachine", target, "/status", {
      status: {
        ...PROVISIONED.status,
        addresses: [
          { type: "InternalIP", address },
          { type: "Hostname", address: name },
        ],
      },
    });
  }

  /** Address of a machine that an earlier attempt has started. */
  private async started(name: string): Promise<string | undefined> {
    const machine = this.lab.machines.find((candidate) => candidate.name === name);
    if (machine?.running === true) return machine.address;
    if (machine !== undefined) await this.lab.discard(name);
    return undefined;
  }

  private async add(name: string, namespace: string, uid: string, secret: string) {
    const { data } = await this.api.get<{ readonly data: Readonly<Record<string, string>> }>(
      `/api/v1/namespaces/${namespace}/secrets/${secret}`,
    );
    const userData = Buffer.from(data["value"] ?? "", "base64").toString("utf8");
    const metaData = { "instance-id": uid, "local-hostname": name };
    return (await this.lab.add({ name, userData, metaData })).address;
  }

  /** The resource version makes it fail if somebody else has changed the finalizers meanwhile. */
  private setFinalizers(target: Metadata, finalizers: readonly string[]): Promise<void> {
    const { resourceVersion } = target;
    return this.patch("LabMachine", target, "", { metadata: { finalizers, resourceVersion } });
  }

  private patch(
    kind: string,
    { namespace, name }: Metadata,
    subresource: "" | "/status",
    body: object,
  ): Promise<void> {
    const path = `${OWN}/namespaces/${namespace}/${pluralOf(kind)}/${name}${subresource}`;
    return this.api.mergePatch(path, body);
  }
}

const PROVISIONED = { status: { initialization: { provisioned: true } } };
