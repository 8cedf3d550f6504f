import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const SCRIPT = path.resolve(__dirname, "../../../scripts/run.sh");
const STATUS = "status/main.ts";
const TEST = "test/main.ts";
const FULL = "ci --no-audit --no-fund --loglevel=error";
const PRODUCTION = `${FULL} --omit=dev`;

/** Notes its arguments, and does to node_modules what npm does. */
const NPM = `#!/bin/sh
echo "$*" >>"$LOG"
rm -rf node_modules
mkdir node_modules
[ -z "$INTERRUPTED" ] || exit 1
echo {} >node_modules/.package-lock.json
`;

describe("scripts/run.sh", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "run-"));
    for (const name of ["scripts", "bin"]) mkdirSync(path.join(folder, name));
    cpSync(SCRIPT, path.join(folder, "scripts/run.sh"));
    writeFileSync(path.join(folder, "bin/npm"), NPM, { mode: 0o755 });
    writeFileSync(path.join(folder, "bin/node"), "#!/bin/sh\n", { mode: 0o755 });
    lock("1");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const lock = (text: string) => writeFileSync(path.join(folder, "package-lock.json"), text);

  /** Runs a program; returns the calls of npm. */
  const run = (program: string, options: { interrupted?: boolean; code?: number } = {}) => {
    const log = path.join(folder, "log");
    rmSync(log, { force: true });
    const { status, stderr } = spawnSync("sh", [path.join(folder, "scripts/run.sh"), program], {
      encoding: "utf8",
      env: {
        PATH: `${path.join(folder, "bin")}:${process.env["PATH"]}`,
        LOG: log,
        INTERRUPTED: options.interrupted === true ? "yes" : "",
      },
    });
    assert.equal(status, options.code ?? 0, stderr);
    return existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [];
  };

  it("installs all packages in a fresh clone, once", () => {
    assert.deepEqual(run(TEST), [FULL]);
    assert.deepEqual(run(TEST), []);
    assert.deepEqual(run(STATUS), []);
  });

  for (const program of [STATUS, "render/main.ts"]) {
    it(`installs the production packages only for ${program}`, () => {
      assert.deepEqual(run(program), [PRODUCTION]);
      assert.deepEqual(run(program), []);
    });
  }

  it("adds the other packages when a program needs them", () => {
    run(STATUS);
    assert.deepEqual(run(TEST), [FULL]);
    assert.deepEqual(run(STATUS), []);
  });

  for (const program of [TEST, STATUS]) {
    it(`installs again for ${program} when the lock file has changed`, () => {
      const [former] = run(program);
      lock("2");
      assert.deepEqual(run(program), [former]);
      assert.deepEqual(run(program), []);
    });

    it(`installs again for ${program} after an interrupted npm ci`, () => {
      run(program, { interrupted: true, code: program === STATUS ? 2 : 1 });
      assert.equal(run(program).length, 1);
      lock("2");
      run(program, { interrupted: true, code: program === STATUS ? 2 : 1 });
      lock("1");
      assert.equal(run(program).length, 1);
    });
  }

  it("leaves the packages that an operator has installed as they are", () => {
    mkdirSync(path.join(folder, "node_modules"));
    writeFileSync(path.join(folder, "node_modules/.package-lock.json"), "{}");
    lock("2");
    assert.deepEqual(run(STATUS), []);
  });
});
