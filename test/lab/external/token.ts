import assert from "node:assert/strict";
import { tokenFingerprint } from "../../../updater/sources/token";
import { Identity, sendRequest } from "../../../e2e/load/request";
import { waitUntil } from "../../../tools/src/index";
import { BACKENDS_CONFIG_MAP, DEFAULT_PORTS, NAMESPACE, serviceInstance } from "../../../names";
import {
  assertNothingFailed,
  CONTROL_PLANE_NODES,
  type ControlPlane,
} from "../cluster/control-plane";
import { commandLinesDuring, findTexts } from "./secret-search";
import { LOAD_BALANCERS } from "./load-balancer-hosts";

/** The only file that holds the token, on load-balancer hosts only. */
const { updaterUnit } = serviceInstance(DEFAULT_PORTS.lb);
const TOKEN_FILE = "/etc/control-plane-lb/6444/token.env";

/** Rotation of the updater's token, and where tokens can be seen. */
export function tokenTests(plane: () => ControlPlane): void {
  const tokens: string[] = [];

  it("rotates the token without a failed sync or request", async () => {
    const { engine, lab, context } = plane();
    const old = await tokenOf(plane(), 1);
    for (const machine of CONTROL_PLANE_NODES)
      assert.equal(await statusWith(plane(), old, machine), 200);
    plane().configure(CONTROL_PLANE_NODES, { token: { generation: 2 } });
    await engine.preview();
    const since = Math.floor(Date.now() / 1000);
    let commandLines = "";
    const report = await plane().underLoad("token rotation", async () => {
      commandLines = await commandLinesDuring(() => engine.up());
    });
    assertNothingFailed(report);
    assert.equal(report.watchBreaks, 0, report.breaks.join("; "));
    const fresh = await tokenOf(plane(), 2);
    tokens.push(old, fresh);
    for (const name of LOAD_BALANCERS) {
      const { token, lastSyncSeconds } = await context.cluster.updater(name);
      assert.equal(token, tokenFingerprint(fresh), name);
      assert.ok(lastSyncSeconds !== null);
      const journal = `journalctl --no-pager --quiet --output=cat --unit=${updaterUnit} --since=@${since}`;
      const { stdout } = await lab.exec(name, journal);
      assert.match(stdout, /"started"/);
      const warnings = stdout.split("\n").filter((line) => line.includes('"level":"warn"'));
      assert.deepEqual(warnings, [], name);
    }
    assert.match(commandLines, /sh\0-s\0--\0apply/, "no script of the program was seen");
    for (const text of tokens) assert.ok(!commandLines.includes(text), "in a command line");
  });

  it("revokes the old token on every API server", async () => {
    const [old = "", fresh = ""] = tokens;
    // an API server caches a valid token for 10 s
    await waitUntil("401 for the old token", { seconds: 30 }, async () => {
      const statuses = CONTROL_PLANE_NODES.map((machine) => statusWith(plane(), old, machine));
      return (await Promise.all(statuses)).every((status) => status === 401);
    });
    assert.equal(await statusWith(plane(), fresh, "m1"), 200);
  });

  it("shows no token in state, output and journals, and in no file but root's", async () => {
    const { engine, lab, printed } = plane();
    const stored = engine.storedText();
    assert.ok(printed.some((text) => text.includes("access-token-2")));
    for (const text of tokens) {
      for (const form of [text, Buffer.from(text).toString("base64")]) {
        assert.ok(!stored.includes(form), "in the state");
        assert.ok(!printed.join("").includes(form), "in what the engine prints");
      }
    }
    for (const { name } of lab.machines) {
      const expected = LOAD_BALANCERS.includes(name) ? `${TOKEN_FILE} 600 root\n` : "";
      assert.equal(await findTexts(lab, name, tokens), expected, name);
    }
  });
}

async function tokenOf(plane: ControlPlane, generation: number): Promise<string> {
  const data = await plane.kubectl(
    "m1",
    `-n ${NAMESPACE} get secret control-plane-lb-token-${generation} -o jsonpath={.data.token}`,
  );
  const text = Buffer.from(data, "base64").toString();
  assert.match(text, /^[^.]+\.[^.]+\.[^.]+$/, "not a token");
  return text;
}

/** Status of a GET of the backends' ConfigMap with this token. */
async function statusWith(plane: ControlPlane, token: string, machine: string): Promise<number> {
  const { stdout: ca } = await plane.lab.exec("m1", "cat /etc/kubernetes/pki/ca.crt");
  const target = { host: plane.address(machine), port: 6443 };
  const { status } = await sendRequest({
    options: new Identity({ ca, token }).options(target),
    method: "GET",
    path: `/api/v1/namespaces/${NAMESPACE}/configmaps/${BACKENDS_CONFIG_MAP}`,
    agent: false,
    deadlineMs: 10_000,
  });
  return status;
}
