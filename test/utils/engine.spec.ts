import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Engine, EngineError, NestedSecret } from "../../pulumi-test-utils/src/index";
import type { ConfigValue } from "../../pulumi-test-utils/src/index";
import { localProgram, PROJECT_FILE } from "./support/program";
import { waitUntil } from "../../tools/src/index";

const HIDDEN = "the-hidden-text";

/** For slow machines. */
const LIMIT = { seconds: 90, everyMs: 50 };

function config(plain: string, more: Record<string, ConfigValue> = {}) {
  return { plain, hidden: { value: HIDDEN, secret: true }, ...more };
}

describe("Engine", function () {
  this.timeout(300_000);
  let folder: string;
  const engines: Engine[] = [];

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), "engine-spec-"));
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine.dispose();
  });

  async function open(values: Record<string, ConfigValue>, home?: string): Promise<Engine> {
    const engine = await Engine.create({
      program: localProgram,
      projectFile: PROJECT_FILE,
      stack: "test",
      config: values,
      plugins: "stand-in",
      ...(home === undefined ? {} : { home }),
    });
    engines.push(engine);
    return engine;
  }

  it("previews without effect, creates, finds no change, updates and destroys", async () => {
    const marker = path.join(folder, "marker");
    const engine = await open(config(`cat; touch ${marker}`, { remove: `rm ${marker}` }));

    const preview = await engine.preview();
    assert.deepEqual(preview.summary, { create: 2 });
    assert.ok(!existsSync(marker), "the preview ran the command");

    const up = await engine.up();
    assert.deepEqual(up.outputs["out"], { value: HIDDEN, secret: true });
    assert.ok(existsSync(marker));

    const again = await engine.up();
    assert.deepEqual(again.summary, { same: 2 });
    assert.deepEqual(again.steps, []);

    engine.setConfig(config("echo changed", { remove: `rm ${marker}` }));
    const changed = await engine.preview();
    assert.deepEqual(
      changed.steps.map(({ op, name, diff }) => ({ op, name, diff })),
      [{ op: "update", name: "one", diff: ["create"] }],
    );
    assert.equal((await engine.up()).outputs["out"]?.value, "changed");

    const refreshed = await engine.refresh();
    assert.deepEqual(refreshed.steps, []);

    await engine.destroy();
    assert.ok(!existsSync(marker), "destroy did not run the delete command");
  });

  it("keeps secrets out of the stored state, the settings and all messages", async () => {
    const nested = "nested-hidden-text";
    const structured = { value: { list: [1, 2], deep: new NestedSecret(nested) } };
    const engine = await open(config("cat", { structured }));
    const { outputs, messages, stdout } = await engine.up();
    assert.deepEqual(outputs["structured"]?.value, { list: [1, 2], deep: nested });
    const settings = readFileSync(path.join(engine.home, "work", "Pulumi.test.yaml"), "utf8");
    for (const text of [settings, engine.storedText(), stdout, ...messages]) {
      assert.ok(!text.includes(HIDDEN), text);
    }
    assert.ok(!settings.includes(nested));
    assert.ok(engine.storedText().includes("ciphertext"));
  });

  it("fails with the provider's message without secrets, and retries at the next up", async () => {
    const flag = path.join(folder, "flag");
    const engine = await open(config(`cat; test -e ${flag}`));
    await assert.rejects(engine.up(), (error: unknown) => {
      assert.ok(error instanceof EngineError);
      assert.match(error.message, /one: exit status 1: running "cat; test -e /);
      assert.ok(!error.message.includes(HIDDEN));
      assert.deepEqual(error.result.summary, { create: 1 });
      return true;
    });
    writeFileSync(flag, "");
    assert.deepEqual((await engine.up()).summary, { create: 1, same: 1 });
  });

  it("refuses a configuration that the project's schema does not allow", async () => {
    const engine = await open(config("true", { structured: "no object" }));
    await assert.rejects(engine.preview(), (error: unknown) => {
      assert.ok(error instanceof EngineError);
      assert.match(error.diagnostics.join("\n"), /structured.*must be of type/);
      return true;
    });
  });

  it("keeps the stack in a given home, and exports and imports its state", async () => {
    const home = path.join(folder, "kept");
    const first = await open(config("echo kept"), home);
    await first.up();
    const state = await first.exportState();
    await first.dispose();
    const second = await open(config("echo kept"), home);
    assert.deepEqual((await second.up()).summary, { same: 2 });
    await second.destroy();
    await second.importState(state);
    assert.equal((await second.outputs())["out"]?.value, "kept");
  });

  it("completes an up after an earlier one was killed and cancelled", async () => {
    const [started, flag] = [path.join(folder, "started"), path.join(folder, "go-on")];
    const script = `touch ${started}; while [ ! -e ${flag} ]; do sleep 0.1; done`;
    const engine = await open(config(script));
    const killed = engine.spawnUp(path.resolve(__dirname, "support/program.ts"), "localProgram");
    await waitUntil("starting the command", { ...LIMIT, lastSeen: killed.output }, () =>
      existsSync(started),
    );
    await killed.kill();
    assert.deepEqual(engine.processes(), []);
    await assert.rejects(engine.up(), /locked/);
    await engine.cancel();
    writeFileSync(flag, "");
    const { summary } = await engine.up();
    assert.equal(summary["create"], 1);
  });

  it("stops a running command when it is interrupted, and leaves no lock", async () => {
    const started = path.join(folder, "interrupted");
    const engine = await open(config(`touch ${started}; exec sleep 600`));
    const interrupt = new AbortController();
    const up = engine.up({ signal: interrupt.signal });
    const ended = assert.rejects(up, EngineError);
    await waitUntil("starting the command", LIMIT, () => existsSync(started));
    interrupt.abort();
    await ended;
    await waitUntil("the end of the engine", LIMIT, () => engine.processes().length === 0);
    engine.setConfig(config("echo again"));
    assert.equal((await engine.up()).outputs["out"]?.value, "again");
  });

  it("runs an up in a child process to its end", async () => {
    const engine = await open(config("echo child"));
    const child = engine.spawnUp(path.resolve(__dirname, "support/program.ts"), "localProgram");
    const { code, output } = await child.done;
    assert.equal(code, 0, output);
    assert.equal((await engine.outputs())["out"]?.value, "child");
  });
});
