import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
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

  // hard links save space on the same file system; others get copies
  for (const folder of [tmpdir(), "/dev/shm"]) {
    describe(`with plugins in the user's own PULUMI_HOME in ${folder}`, () => {
      let usersHome: string;
      let usersPlugins: string;

      beforeEach(function () {
        if (!existsSync(folder)) {
          console.log(`      skipped: there is no ${folder}`);
          this.skip();
        }
        usersHome = mkdtempSync(path.join(folder, "users-home-"));
        usersPlugins = path.join(usersHome, "plugins");
        // stand-ins in the place of real plugins, which are downloads
        cpSync(path.join(known, "plugins"), usersPlugins, { recursive: true });
        // what an installation leaves beside a plugin
        writeFileSync(path.join(usersPlugins, "resource-command-v1.2.1.lock"), "");
        process.env["PULUMI_HOME"] = usersHome;
      });

      afterEach(() => {
        if (usersHome !== undefined) rmSync(usersHome, { recursive: true, force: true });
      });

      it("has them as folders, no links", async () => {
        const { home, plugins } = await ensurePulumiHome(() => undefined);
        assert.deepEqual(plugins, { command: "real", kubernetes: "real" });
        for (const entry of readdirSync(path.join(home, "plugins"))) {
          assert.ok(lstatSync(path.join(home, "plugins", entry)).isDirectory(), entry);
        }
      });

      it("is a home in which the engine finds them", async function () {
        this.timeout(120_000);
        await assertEngineFindsPlugins();
      });

      it("keeps them when the user removes his", async () => {
        const { home } = await ensurePulumiHome(() => undefined);
        rmSync(usersPlugins, { recursive: true });
        for (const name of ["command-v1.2.1", "kubernetes-v4.34.2"]) {
          assert.ok(existsSync(path.join(home, "plugins", `resource-${name}`, "provider.cjs")));
        }
      });
    });
  }

  describe("with plugins that cannot be used in the user's own PULUMI_HOME", () => {
    let usersPlugins: string;

    beforeEach(() => {
      usersPlugins = path.join(cache, "users-home", "plugins");
      cpSync(path.join(known, "plugins"), usersPlugins, { recursive: true });
      process.env["PULUMI_HOME"] = path.dirname(usersPlugins);
      // no download
      standInForPulumi(cache, "exit 1");
    });

    it("has none whose installation was interrupted", async () => {
      writeFileSync(path.join(usersPlugins, "resource-command-v1.2.1.partial"), "");
      const { plugins } = await ensurePulumiHome(() => undefined);
      assert.deepEqual(plugins, { command: "stand-in", kubernetes: "real" });
    });

    it("has none of another version", async () => {
      const other = path.join(usersPlugins, "resource-command-v1.2.0");
      renameSync(path.join(usersPlugins, "resource-command-v1.2.1"), other);
      const { home, plugins } = await ensurePulumiHome(() => undefined);
      assert.deepEqual(plugins, { command: "stand-in", kubernetes: "real" });
      assert.ok(!existsSync(path.join(home, "plugins", "resource-command-v1.2.0")));
    });
  });

  it("has a stand-in that the engine finds when a download is interrupted", async function () {
    this.timeout(120_000);
    process.env["PULUMI_HOME"] = path.join(cache, "no-home");
    // as pulumi does: it marks the folder, then it unpacks the archive
    standInForPulumi(
      cache,
      `folder="$PULUMI_HOME/plugins/resource-$4-v$5"
mkdir -p "$folder"; touch "$folder.partial" "$folder.lock" "$folder/half"; exit 1`,
    );
    const { home, plugins } = await ensurePulumiHome(() => undefined);
    assert.deepEqual(plugins, { command: "stand-in", kubernetes: "stand-in" });
    await assertEngineFindsPlugins();
    const command = readdirSync(path.join(home, "plugins", "resource-command-v1.2.1"));
    assert.deepEqual(command.sort(), ["provider.cjs", "pulumi-resource-command"]);
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

/** Runs a program with a Command resource on the home that `ensurePulumiHome` gives. */
async function assertEngineFindsPlugins(): Promise<void> {
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
}

/** Puts a `pulumi` first on the PATH that installs plugins by a script, and else is the real one. */
function standInForPulumi(folder: string, install: string): void {
  const bin = path.join(folder, "bin");
  const [real = ""] = (process.env["PATH"] ?? "").split(path.delimiter);
  mkdirSync(bin);
  const script = `#!/bin/sh\nif [ "$1 $2" = "plugin install" ]; then\n${install}\nfi\nexec '${real}/pulumi' "$@"\n`;
  writeFileSync(path.join(bin, "pulumi"), script, { mode: 0o755 });
  process.env["PATH"] = `${bin}${path.delimiter}${process.env["PATH"]}`;
}

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
