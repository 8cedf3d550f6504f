import { fingerprintCa } from "../../haproxy/config";
import { NAMESPACE } from "../../names";
import { HaproxyView } from "../scenario/haproxy-view";
import { waitInScenario, type ScenarioContext } from "../scenario/context";

const SECOND = "/root/second-ca";
const PKI = "/etc/kubernetes/pki";
const MANIFEST = "/etc/kubernetes/manifests/kube-controller-manager.yaml";

/** Bundles of CA certificates in the order of a rotation; the API servers keep their CA. */
export const BUNDLES = [
  { title: "CA bundle: a second one behind", cas: ["own", "second"] },
  { title: "CA bundle: the second one first", cas: ["second", "own"] },
  { title: "CA bundle: the own one alone", cas: ["own"] },
] as const;

export type Bundle = (typeof BUNDLES)[number];

/**
 * Publishes other CA certificates to the cluster's pods as the Kubernetes documentation rotates a
 * CA: by another `--root-ca-file` of kube-controller-manager. Topology daemonset only.
 */
export class CaBundles {
  #count = 0;

  private constructor(
    private readonly context: ScenarioContext,
    private readonly certificates: Readonly<Record<"own" | "second", string>>,
  ) {}

  /** kubeadm makes the second CA: its subject is that of the first, as in a real rotation. */
  static async create(context: ScenarioContext): Promise<CaBundles> {
    const { lab, controlPlaneNodes } = context.cluster;
    const { name } = controlPlaneNodes[0]!;
    const { stdout: second } = await lab.exec(
      name,
      `kubeadm init phase certs ca --cert-dir ${SECOND} --kubernetes-version "$(kubeadm version -o short)" >&2 && cat ${SECOND}/ca.crt`,
      { timeoutMs: 60_000 },
    );
    const { stdout: own } = await lab.exec(name, `cat ${PKI}/ca.crt`);
    return new CaBundles(context, { own, second });
  }

  /** Resolves when every HAProxy has loaded the bundle. */
  async publish({ title, cas }: Bundle): Promise<void> {
    const { cluster } = this.context;
    const bundle = cas.map((ca) => this.certificates[ca]).join("");
    // kube-controller-manager reads the file when it starts: another name restarts it
    const file = `${PKI}/root-ca-${(this.#count += 1)}.crt`;
    for (const { name } of cluster.controlPlaneNodes) {
      await cluster.lab.exec(
        name,
        `cat >${file} <<'END'
${bundle}END
sed 's|--root-ca-file=.*|--root-ca-file=${file}|' ${MANIFEST} >/etc/kubernetes/controller-manager.new
mv /etc/kubernetes/controller-manager.new ${MANIFEST}`,
        { timeoutMs: 60_000 },
      );
    }
    const first = cluster.controlPlaneNodes[0]!.name;
    await waitInScenario(this.context, `${title}: kube-root-ca.crt`, async () => {
      const published = await cluster.kubectl(
        first,
        `-n ${NAMESPACE} get configmap kube-root-ca.crt -o jsonpath='{.data.ca\\.crt}'`,
      );
      return published.trim() === bundle.trim();
    });
    const loaded = `-ca-${fingerprintCa(bundle.trim())}`;
    for (const { name } of cluster.loadBalancers) {
      await waitInScenario(this.context, `${title}: HAProxy of ${name}`, async () => {
        const view = await HaproxyView.connect(cluster.lab, name);
        return (await view.description()).endsWith(loaded);
      });
    }
  }
}
