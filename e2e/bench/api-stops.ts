import { waitUntilHealthy, type ScenarioContext } from "../scenario/scenarios";
import { waitUntil } from "../scenario/wait";
import { HaproxyView } from "../scenario/haproxy-view";
import type { Series } from "./report";

const STOPS = 3;

const MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml";

/**
 * Stops and starts the last control-plane node's API server, as kubelet does: times until all load balancers have noticed, counted from what a
 * client sees of it.
 */
export async function apiStops(context: ScenarioContext): Promise<Series[]> {
  const { lab, controlPlaneNodes, ports } = context.cluster;
  const { name, address } = controlPlaneNodes.at(-1)!;
  const views = await Promise.all(
    controlPlaneNodes.map((controlPlaneNode) => HaproxyView.of(lab, controlPlaneNode.name)),
  );
  const target = `${address}:${ports.api}`;
  const settles = async (there: boolean) => {
    const desired = (routes: ReadonlySet<string>) => routes.has(target) === there;
    return Math.max(...(await Promise.all(views.map((view) => view.settles(desired, 300)))));
  };
  const ready = () => readyz(context, target);
  const gone: number[] = [];
  const back: number[] = [];
  for (let index = 0; index < STOPS; index += 1) {
    context.log(`real stop and start of an API server: ${index + 1} of ${STOPS}`);
    const noticed = settles(false);
    await lab.exec(name, `mv ${MANIFEST} /root/`);
    const closed = await waitUntil("the port to close", { seconds: 120, everyMs: 20 }, async () =>
      (await ready()) === 0 ? performance.now() : undefined,
    );
    gone.push(Math.max(0, (await noticed) - closed));
    const routed = settles(true);
    await lab.exec(name, `mv /root/kube-apiserver.yaml ${MANIFEST}`);
    const served = await waitUntil("readyz", { seconds: 240, everyMs: 20 }, async () =>
      (await ready()) === 200 ? performance.now() : undefined,
    );
    back.push(Math.max(0, (await routed) - served));
    await waitUntilHealthy(context);
  }
  return [
    { name: "endpoints: real stop, from its port closed", times: gone },
    { name: "endpoints: real start, from its first 200 on /readyz", times: back },
  ];
}

/** HTTP status of /readyz of an API server, asked from the first control-plane node; 0 without an answer. */
async function readyz({ cluster }: ScenarioContext, target: string): Promise<number> {
  const { stdout } = await cluster.lab.exec(
    cluster.controlPlaneNodes[0]!.name,
    `curl -sk -o /dev/null -w '%{http_code}' --max-time 1 https://${target}/readyz || :`,
  );
  return Number(stdout);
}
