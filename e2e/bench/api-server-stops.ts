import { waitUntilHealthy, type ScenarioContext } from "../scenario/context";
import { waitUntil } from "../../tools/src/index";
import { HaproxyView } from "../scenario/haproxy-view";
import type { Series } from "./report";

const STOPS = 3;

const MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml";

/**
 * Stops and starts the last control-plane node's API server, as kubelet does. Measures the time
 * until all load balancers route accordingly, from the moment at which a client sees the stop or
 * start.
 */
export async function apiServerStops(context: ScenarioContext): Promise<Series[]> {
  const { lab, controlPlaneNodes, ports } = context.cluster;
  const { name, address } = controlPlaneNodes.at(-1)!;
  const views = await Promise.all(
    controlPlaneNodes.map((controlPlaneNode) => HaproxyView.connect(lab, controlPlaneNode.name)),
  );
  const target = `${address}:${ports.api}`;
  const whenRouted = async (there: boolean) => {
    const desired = (routes: ReadonlySet<string>) => routes.has(target) === there;
    return Math.max(...(await Promise.all(views.map((view) => view.waitForRoutes(desired, 300)))));
  };
  const ready = () => readyz(context, target);
  const gone: number[] = [];
  const back: number[] = [];
  for (let index = 0; index < STOPS; index += 1) {
    context.log(`real stop and start of an API server: ${index + 1} of ${STOPS}`);
    const noticed = whenRouted(false);
    await lab.exec(name, `mv ${MANIFEST} /root/`);
    const closed = await waitUntil("the port to close", { seconds: 120, everyMs: 20 }, async () =>
      (await ready()) === 0 ? performance.now() : undefined,
    );
    gone.push(Math.max(0, (await noticed) - closed));
    const routed = whenRouted(true);
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

/**
 * HTTP status of an API server's /readyz, requested on the first control-plane node; 0 without a
 * response.
 */
async function readyz({ cluster }: ScenarioContext, target: string): Promise<number> {
  const { stdout } = await cluster.lab.exec(
    cluster.controlPlaneNodes[0]!.name,
    `curl -sk -o /dev/null -w '%{http_code}' --max-time 1 https://${target}/readyz || :`,
  );
  return Number(stdout);
}
