import assert from "node:assert/strict";
import { fingerprint } from "../../../updater/sources/token";
import { ask, Identity } from "../../../e2e/load/request";
import { BACKENDS_CONFIG_MAP, NAMESPACE, UPDATER_UNIT } from "../../../names";
import {
  assertNothingFailed,
  CONTROL_PLANE_NODES,
  type ControlPlane,
} from "../cluster/control-plane";
import { eventually } from "../support";
import { commandLinesDuring, findTexts } from "./leaks";
import { LOAD_BALANCERS } from "./own-hosts";

/** The only file that holds the token, on hosts of HAProxy only. */
const TOKEN_FILE = "/etc/control-plane-lb/token.env";

/** The updater's token: another one takes its place while it works, and nobody else sees any of them. */
export function token(plane: () => ControlPlane): void {
  const tokens: string[] = [];

  it("uses another token without a failed sync or request; the former one gets 401", async () => {
    const { engine, lab, context } = plane();
    const former = await tokenOf(plane(), 1);
    for (const controlPlaneNode of CONTROL_PLANE_NODES)
      assert.equal(await statusWith(plane(), former, controlPlaneNode), 200);
    plane().configure(CONTROL_PLANE_NODES, { token: { generation: 2 } });
    await engine.preview();
    const since = Math.floor(Date.now() / 1000);
    let commandLines = "";
    const report = await plane().underLoad("another token", async () => {
      commandLines = await commandLinesDuring(() => engine.up());
    });
    assertNothingFailed(report);
    assert.equal(report.watchBreaks, 0, report.breaks.join("; "));
    const fresh = await tokenOf(plane(), 2);
    tokens.push(former, fresh);
    for (const name of LOAD_BALANCERS) {
      const { token, lastSyncSeconds } = await context.cluster.updater(name);
      assert.equal(token, fingerprint(fresh), name);
      assert.ok(lastSyncSeconds !== null);
      const journal = `journalctl --no-pager --quiet --output=cat --unit=${UPDATER_UNIT} --since=@${since}`;
      const { stdout } = await lab.exec(name, journal);
      assert.match(stdout, /"started"/);
      assert.doesNotMatch(stdout, /"level":"warn"/, name);
    }
    // an API server remembers for 10 s that a token was good
    await eventually("401 for the former token", 30, async () => {
      const statuses = CONTROL_PLANE_NODES.map((controlPlaneNode) =>
        statusWith(plane(), former, controlPlaneNode),
      );
      return (await Promise.all(statuses)).every((status) => status === 401);
    });
    assert.equal(await statusWith(plane(), fresh, "m1"), 200);
    assert.match(commandLines, /sh\0-s\0--\0apply/, "no script of ours was seen at work");
    for (const text of tokens) assert.ok(!commandLines.includes(text), "in a command line");
  });

  it("shows no token in state, previews and messages, journals and command lines, nor in any file but that of root", async () => {
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
  assert.match(text, /^[^.]+\.[^.]+\.[^.]+$/, "this is no token");
  return text;
}

/** What an API server answers to who asks for the backends with this token. */
async function statusWith(
  plane: ControlPlane,
  token: string,
  controlPlaneNode: string,
): Promise<number> {
  const { stdout: ca } = await plane.lab.exec("m1", "cat /etc/kubernetes/pki/ca.crt");
  const target = { host: plane.address(controlPlaneNode), port: 6443 };
  const { status } = await ask({
    options: new Identity({ ca, token }).options(target),
    method: "GET",
    path: `/api/v1/namespaces/${NAMESPACE}/configmaps/${BACKENDS_CONFIG_MAP}`,
    agent: false,
    deadlineMs: 10_000,
  });
  return status;
}
