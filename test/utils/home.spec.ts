import assert from "node:assert/strict";
import { cpSync, lstatSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Engine, ensurePulumiHome } from "../../pulumi-test-utils/src/index";
import { isNewEnough } from "../../pulumi-test-utils/src/home/home";
import { localProgram, PROJECT_FILE } from "./support/program";

describe("ensurePulumiHome", () => {
  let known: string;
  let cache: string;
  let restore: () => void;

  // an empty cache, with the engine from where it is built
  beforeEach(async function () {
    this.timeout(300_000);
    ({ home: known } = await ensurePulumiHome(() => undefined, { plugins: "stand-in" }));
    cache = mkdtempSync(path.join(tmpdir(), "home-spec-"));
    restore = setEnvironment({
      XDG_CACHE_HOME: cache,
      PATH: `${path.join(known, "bin")}${path.delimiter}${process.env["PATH"]}`,
      PULUMI_HOME: undefined,
      CONTROL_PLANE_LB_PLUGINS: undefined,
    });
  });

  afterEach(() => {
    restore();
    rmSync(cache, { recursive: true, force: true });
  });

  it("makes one home for concurrent calls", async () => {
    const ask = () => ensurePulumiHome(() => undefined, { plugins: "stand-in" });
    const [first, second] = await Promise.all([ask(), ask()]);
    assert.equal(first.home, second.home);
    assert.deepEqual(first.plugins, { command: "stand-in", kubernetes: "stand-in" });
  });

  it("leaves nothing unfinished in the cache", async () => {
    const { home } = await ensurePulumiHome(() => undefined, { plugins: "stand-in" });
    const entries = readdirSync(path.join(cache, "control-plane-lb"));
    assert.deepEqual(entries.sort(), [path.basename(home), "pulumi-home.lock"]);
  });

  describe("with plugins in the user's own PULUMI_HOME", () => {
    let usersHome: string;

    beforeEach(() => {
      usersHome = mkdtempSync(path.join(tmpdir(), "users-home-"));
      const plugins = path.join(usersHome, "plugins");
      cpSync(path.join(known, "plugins"), plugins, { recursive: true });
      process.env["PULUMI_HOME"] = usersHome;
    });

    afterEach(() => rmSync(usersHome, { recursive: true, force: true }));

    it("has copies of them, no links", async () => {
      const { home, plugins } = await ensurePulumiHome(() => undefined);
      assert.deepEqual(plugins, { command: "real", kubernetes: "real" });
      for (const entry of readdirSync(path.join(home, "plugins"))) {
        assert.ok(lstatSync(path.join(home, "plugins", entry)).isDirectory(), entry);
      }
    });

    it("is a home in which the engine finds them", async function () {
      this.timeout(120_000);
      const engine = await Engine.create({
        program: localProgram,
        projectFile: PROJECT_FILE,
        stack: "test",
        config: { plain: "echo ran", hidden: { value: "hidden", secret: true } },
      });
      try {
        const { outputs } = await engine.up();
        assert.equal(outputs["out"]?.value, "ran");
      } finally {
        await engine.dispose();
      }
    });
  });

  it("is the home of the engine in its child processes", async () => {
    const parent = await ensurePulumiHome(() => undefined, { plugins: "stand-in" });
    process.env["PULUMI_HOME"] = parent.home;
    assert.deepEqual(await ensurePulumiHome(() => undefined), parent);
  });
});

describe("isNewEnough", () => {
  it("takes a release of the same major version that is not older", () => {
    assert.ok(isNewEnough("v3.259.0", "3.259.0"));
    assert.ok(isNewEnough("v3.260.1", "3.259.2"));
  });

  it("refuses older releases, other major versions and no version", () => {
    assert.ok(!isNewEnough("v3.258.9", "3.259.0"));
    assert.ok(!isNewEnough("v4.0.0", "3.259.0"));
    assert.ok(!isNewEnough("", "3.259.0"));
  });
});

/**
 * Sets variables, or removes those that are undefined. @returns a function that restores the former
 * values
 */
function setEnvironment(changes: Readonly<Record<string, string | undefined>>): () => void {
  const former = Object.keys(changes).map((name) => [name, process.env[name]] as const);
  const set = (name: string, value: string | undefined) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  for (const [name, value] of Object.entries(changes)) set(name, value);
  return () => former.forEach(([name, value]) => set(name, value));
}
