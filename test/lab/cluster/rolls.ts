import assert from "node:assert/strict";
import { waitForRequests, waitUntilHealthy } from "../../../e2e/scenario/context";
import { EngineError } from "../../../pulumi-test-utils/src/index";
import { schema } from "../../../stacks/schema";
import { waitUntil } from "../../../tools/src/index";
import { assertNothingFailed, CONTROL_PLANE_NODES, type ControlPlane } from "./control-plane";
import { cutPower } from "./cut-power";

/** HAProxy's image has no Node.js: a pod with it as the updater's image never starts. */
const NO_NODE = { updater: { image: schema.haproxy.parse({}).image } };

const QUEUE = (queue: string) => ({ haproxy: { timeouts: { queue } } });

/** Rolls that meet a pod that does not start, and a node without power. */
export function rollTests(plane: () => ControlPlane): void {
  it("stops a roll at the first pod that does not start, names its container, and fails no request", async () => {
    const before = await pods("m1");
    const started = Date.now();
    const report = await plane().underLoad("a bad pod", async () => {
      plane().configure(CONTROL_PLANE_NODES, NO_NODE);
      await assert.rejects(plane().engine.up(), (error: unknown) => {
        assert.ok(error instanceof EngineError, String(error));
        assert.match(error.message, /pod control-plane-lb-\w+: container prepare: /);
        return true;
      });
    });
    console.log(`      named after ${Math.round((Date.now() - started) / 1000)} s`);
    assertNothingFailed(report);
    const after = await pods("m1");
    assert.equal(after.filter(({ uid }) => before.some((pod) => pod.uid === uid)).length, 2);
  });

  it("is mended by the next up, without a failed request", async () => {
    const report = await plane().underLoad("mended", async () => {
      plane().configure(CONTROL_PLANE_NODES);
      await plane().engine.up();
      await waitUntilHealthy(plane().context);
    });
    assertNothingFailed(report);
    const [templates, names] = [await templatesOf("m1"), await updaterConfigMaps()];
    assert.equal(new Set(Object.values(templates)).size, 1);
    assert.equal(names.length, 1, names.join());
  });

  it("rolls past a node without power, names it, and the node follows when it is back", async () => {
    const { lab, context } = plane();
    await waitUntilHealthy(context);
    const former = (await templatesOf("m1"))["m3"];
    await cutPower(plane(), "m3");
    await waitUntil("m3 to be off for Kubernetes", { seconds: 180 }, async () => {
      const path = '{.status.conditions[?(@.type=="Ready")].status}';
      return (await plane().kubectl("m1", `get node m3 -o jsonpath='${path}'`)) === "Unknown";
    });
    await waitForRequests(context, 40);
    const started = Date.now();
    const report = await plane().underLoad("roll without m3", async () => {
      plane().configure(CONTROL_PLANE_NODES, QUEUE("2600ms"));
      const { messages } = await plane().engine.up();
      assert.match(messages.join("\n"), /m3 is off/);
    });
    console.log(`      rolled after ${Math.round((Date.now() - started) / 1000)} s`);
    assertNothingFailed(report);
    const { m1, m2 } = await templatesOf("m1");
    assert.equal(m1, m2);
    assert.notEqual(m1, former);
    await lab.powerOn("m3");
    await waitUntil("m3 to have the new pod", { seconds: 300 }, async () => {
      return (await templatesOf("m1"))["m3"] === m1;
    });
    plane().configure(CONTROL_PLANE_NODES);
    await plane().engine.up();
    await waitUntilHealthy(context);
  });

  const pods = (machine: string) => plane().context.cluster.pods(machine);

  /** Hash of the template of each node's pod; a pod that is deleted and cannot end is none. */
  async function templatesOf(machine: string): Promise<Record<string, string>> {
    const selector = "-l app.kubernetes.io/name=control-plane-lb";
    const text = await plane().kubectl(machine, `-n kube-system get pods ${selector} -o json`);
    const { items } = JSON.parse(text) as { items: PodObject[] };
    return Object.fromEntries(
      items
        .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
        .map(({ metadata, spec }) => [
          spec.nodeName ?? "",
          metadata.annotations?.["control-plane-lb/template"] ?? "",
        ]),
    );
  }

  async function updaterConfigMaps(): Promise<string[]> {
    const text = await plane().kubectl("m1", "-n kube-system get configmaps -o name");
    return text.split("\n").filter((name) => name.includes("control-plane-lb-updater"));
  }
}

interface PodObject {
  readonly metadata: {
    readonly annotations?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly nodeName?: string };
}
