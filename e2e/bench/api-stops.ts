import { whole, type Stage } from "../scenario/scenarios";
import { waitUntil } from "../scenario/wait";
import { BalancerView } from "../scenario/haproxy-view";
import type { Series } from "./report";

const STOPS = 3;

const MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml";

/**
 * Stops and starts the last master's API server, as kubelet does: times until all load balancers have noticed, counted from what a
 * client sees of it.
 */
export async function apiStops(stage: Stage): Promise<Series[]> {
  const { lab, masters, ports } = stage.cluster;
  const { name, address } = masters.at(-1)!;
  const views = await Promise.all(masters.map((master) => BalancerView.of(lab, master.name)));
  const target = `${address}:${ports.api}`;
  const settles = async (there: boolean) => {
    const wanted = (routes: ReadonlySet<string>) => routes.has(target) === there;
    return Math.max(...(await Promise.all(views.map((view) => view.settles(wanted, 300)))));
  };
  const ready = () => readyz(stage, target);
  const gone: number[] = [];
  const back: number[] = [];
  for (let index = 0; index < STOPS; index += 1) {
    stage.log(`real stop and start of an API server: ${index + 1} of ${STOPS}`);
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
    await whole(stage);
  }
  return [
    { name: "endpoints: real stop, from its port closed", times: gone },
    { name: "endpoints: real start, from its first 200 on /readyz", times: back },
  ];
}

/** HTTP status of /readyz of an API server, asked from the first master; 0 without an answer. */
async function readyz({ cluster }: Stage, target: string): Promise<number> {
  const { stdout } = await cluster.lab.exec(
    cluster.masters[0]!.name,
    `curl -sk -o /dev/null -w '%{http_code}' --max-time 1 https://${target}/readyz || :`,
  );
  return Number(stdout);
}
