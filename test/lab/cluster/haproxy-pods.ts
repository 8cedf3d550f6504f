import type { ControlPlane } from "./control-plane";

const PODS = "-n kube-system {} pods -l app.kubernetes.io/name=control-plane-lb";

/** The pods of HAProxy, one on each control-plane node, inspected on their machines. */
export class HaproxyPods {
  constructor(private readonly plane: ControlPlane) {}

  /** Names of all containers of all pods. */
  async containers(): Promise<string[]> {
    const names = await this.kubectl("get", "-o jsonpath='{.items[*].spec.containers[*].name}'");
    return names.split(" ");
  }

  /**
   * Makes kubelet update the volumes at once, because the pods change; otherwise it does so about
   * every minute.
   */
  async touch(): Promise<void> {
    await this.kubectl("annotate", `--overwrite test/touched=${Date.now()}`);
  }

  /** Output of a command on the machine; `@` is the folder of HAProxy in /proc. */
  async run(machine: string, command: string): Promise<string> {
    const { cluster } = this.plane.context;
    // the last one is the oldest: the master process
    const pid = (await cluster.pids(machine, "haproxy")).at(-1);
    return (await cluster.lab.exec(machine, command.replaceAll("@", `/proc/${pid}`))).stdout;
  }

  /** haproxy.cfg as the next start of HAProxy will read it. */
  file(machine: string): Promise<string> {
    return this.run(machine, "cat @/root/etc/haproxy/haproxy.cfg");
  }

  /** Log of HAProxy's container since its start. */
  async log(machine: string): Promise<string> {
    const logs = "/var/log/pods/kube-system_control-plane-lb-*/haproxy/*.log";
    return (await this.plane.lab.exec(machine, `cat "$(ls -t ${logs} | head -1)"`)).stdout;
  }

  private kubectl(verb: string, rest: string): Promise<string> {
    return this.plane.kubectl("m1", `${PODS.replace("{}", verb)} ${rest}`);
  }
}
