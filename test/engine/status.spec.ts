import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { clusterConfig, PROJECT_FILE, STACK } from "../../e2e/scenario/lab-stack";
import { engineHome, envFile, writeEnvFile } from "../../e2e/scenario/lab-files";
import { Engine } from "../../pulumi-test-utils/src/index";
import { run, type Finished } from "../../tools/src/index";
import { keyPair } from "../support/key-pair";

const ROOT = path.resolve(__dirname, "../..");

/** What a clone does not have. */
const LOCAL = [".git", "node_modules", "reports"].map((name) => path.join(ROOT, name));

describe("npm run status in a clone with production packages only", function () {
  this.timeout(300_000);
  let folder: string;
  let clone: string;

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "status-spec-"));
    clone = path.join(folder, "clone");
    cpSync(ROOT, clone, { recursive: true, filter: (source) => !LOCAL.includes(source) });
    await run(["npm", "ci", "--omit=dev", "--prefer-offline", "--no-audit", "--no-fund"], {
      cwd: clone,
    });
    // a lab's folder with one machine, whose SSH port is closed
    const lab = path.join(folder, "lab");
    mkdirSync(lab);
    const { private: privateKey, public: hostKey } = keyPair();
    const machine = { name: "m1", address: "192.0.2.11", role: "controlPlane" } as const;
    const engine = await Engine.create({
      program: () => Promise.resolve(),
      projectFile: PROJECT_FILE,
      stack: STACK,
      config: clusterConfig(
        {
          machines: [machine],
          ssh: { user: "ops", port: 22, hostKey, privateKey, privateKeyFile: "" },
        },
        {
          nodes: { m1: { address: machine.address, sshHost: "127.0.0.1", sshPort: 1 } },
          ssh: { privateKey, privateKeyFile: undefined },
        },
      ),
      plugins: "stand-in",
      home: engineHome(lab),
    });
    writeEnvFile(lab, engine);
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  function status(...options: string[]): Promise<Finished> {
    const file = envFile(path.join(folder, "lab"));
    const command = ["npm", "run", "--silent", "status", "--", "--env-file", file, ...options];
    return run(command, { cwd: clone, check: false });
  }

  it("reads the stack that the lab's file of variables names", async () => {
    const { stdout, stderr } = await status("--stack", STACK, "--json");
    assert.notEqual(stdout, "", stderr);
    const seen = JSON.parse(stdout) as { hosts: { problems: string[] }[] };
    assert.match(
      seen.hosts.flatMap(({ problems }) => problems).join("\n"),
      /^SSH to ops@127\.0\.0\.1: connect to host 127\.0\.0\.1 port 1: Connection refused$/,
    );
  });

  it("ends with exit code 2 when it can reach no host", async () => {
    const { code, stdout } = await status("--stack", STACK);
    assert.match(stdout, /^m1 +192\.0\.2\.11 +unknown /m);
    assert.equal(code, 2);
  });

  it("installs no development package", async () => {
    await status("--help");
    assert.equal(existsSync(path.join(clone, "node_modules/mocha")), false);
  });
});
