import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "mocha";
import type { ConfigValue, Engine } from "../../pulumi-test-utils/src/index";
import { startAgent } from "../utils/support/ssh-agent";
import { Bench } from "./support/bench";
import { changesOf } from "./support/journal";

type Agent = Awaited<ReturnType<typeof startAgent>>;

describe("on the real engine, several operators of one stack", function () {
  this.timeout(300_000);
  this.bail(true);
  let bench: Bench;
  let engine: Engine;
  const agents: Agent[] = [];
  const { SSH_AUTH_SOCK } = process.env;
  /** The credentials in the configuration are these, and nothing else. */
  const withSsh = (credentials: object, more: Record<string, ConfigValue> = {}) => {
    const config = bench.existing();
    const { user, hostKey } = (config["ssh"] as { value: Record<string, unknown> }).value;
    return { ...config, ssh: { value: { user, hostKey, ...credentials } }, ...more };
  };
  const useAgent = (agent: Agent | undefined) => {
    if (agent === undefined) delete process.env["SSH_AUTH_SOCK"];
    else process.env["SSH_AUTH_SOCK"] = agent.socket;
  };

  before(async () => {
    bench = await Bench.start("m1", "m2");
    for (const key of [bench.userKey, bench.colleagueKey])
      agents.push(await startAgent(key.private));
    engine = await bench.engine(withSsh({}));
  });
  after(async () => {
    if (SSH_AUTH_SOCK === undefined) delete process.env["SSH_AUTH_SOCK"];
    else process.env["SSH_AUTH_SOCK"] = SSH_AUTH_SOCK;
    for (const agent of agents) await agent.close();
    await bench?.stop();
  });

  it("see no change with another agent and another key, and the state has none of them", async () => {
    useAgent(agents[0]);
    await engine.up();
    useAgent(agents[1]);
    assert.deepEqual(Object.keys((await engine.preview()).summary), ["same"]);
    assert.deepEqual(Object.keys((await engine.up()).summary), ["same"]);
    const state = JSON.stringify(await engine.exportState());
    assert.doesNotMatch(state, /PRIVATE KEY|agent\.sock|"privateKey"/);
  });

  it("run scripts with their own agent", async () => {
    bench.takeJournal();
    engine.setConfig(withSsh({}, { allow: { value: ["10.0.0.0/8"] } }));
    await engine.up();
    assert.ok(bench.takeJournal().includes("m1 forward apply"));
  });

  it("preview without any credentials, and then see what really changes", async () => {
    useAgent(undefined);
    const { messages, summary } = await engine.preview();
    assert.deepEqual(Object.keys(summary), ["same"]);
    assert.match(messages.join("\n"), /ssh: no credentials: .*the preview does not need it/);
    engine.setConfig(withSsh({}));
    const changes = changesOf((await engine.preview()).steps);
    assert.ok(changes.includes("update m1-forward"), changes.join());
    assert.ok(!changes.includes("update m1-reachability"), changes.join());
    assert.deepEqual(bench.takeJournal(), []);
    await assert.rejects(engine.up(), /ssh: no credentials/);
  });

  it("preview without the file of the key that is in the state, and up names the file", async () => {
    const file = path.join(engine.home, "id_ed25519");
    writeFileSync(file, bench.userKey.private, { mode: 0o600 });
    engine.setConfig(withSsh({ privateKeyFile: file }));
    await engine.up();
    rmSync(file);
    const { messages, summary } = await engine.preview();
    assert.deepEqual(Object.keys(summary), ["same"]);
    assert.match(messages.join("\n"), /ssh\.privateKeyFile: cannot be read: ENOENT/);
    await assert.rejects(engine.up(), /ssh\.privateKeyFile: cannot be read: ENOENT/);
    bench.takeJournal();
    // destroy works with what the state has
    await engine.destroy();
    assert.ok(bench.takeJournal().includes("m1 forward remove"));
  });
});
