import { quote } from "../../host/shell";
import { BACKENDS_CONFIG_MAP, NAMESPACE } from "../../names";
import type { LabCluster } from "../scenario/lab-cluster";
import type { Content } from "./contents";

const IN = `-n ${NAMESPACE}`;
const REVISION = "-o jsonpath='{.metadata.resourceVersion}'";

/** Writes the backends' ConfigMap by kubectl, through one machine's own API server. */
export class Operator {
  #exists = true;

  constructor(
    private readonly cluster: LabCluster,
    private readonly machine: string,
  ) {}

  /**
   * Replaces all keys at once; null deletes the ConfigMap.
   * @returns resourceVersion of the ConfigMap; empty after a deletion
   */
  async put(data: Content | null): Promise<string> {
    if (data === null) {
      await this.#kubectl(`${IN} delete configmap ${BACKENDS_CONFIG_MAP} --ignore-not-found`);
      this.#exists = false;
      return "";
    }
    if (!this.#exists) {
      this.#exists = true;
      return this.#kubectl(`create ${REVISION} -f - <<'END'\n${manifest(data)}\nEND`);
    }
    const patch = JSON.stringify([{ op: "add", path: "/data", value: data }]);
    return this.#kubectl(
      `${IN} patch configmap ${BACKENDS_CONFIG_MAP} --type json ${REVISION} -p ${quote(patch)}`,
    );
  }

  #kubectl(command: string): Promise<string> {
    return this.cluster.kubectl(this.machine, command);
  }
}

function manifest(data: Content): string {
  const metadata = { name: BACKENDS_CONFIG_MAP, namespace: NAMESPACE };
  return JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata, data });
}
