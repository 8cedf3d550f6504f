import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HAPROXY_DEFAULTS } from "../../support/haproxy-defaults";
import { checkWith, probeCheck, RefusedConfigError } from "../../../updater/apply/check-config";
import { removeLeftovers, writeFileAtomically } from "../../../updater/apply/atomic-file";
import { backendsOf, readLastGood, saveLastGood } from "../../../updater/apply/last-good";
import { loadSettings } from "../../../updater/load-settings";
import { createLog } from "../../../updater/report/log";
import { Metrics } from "../../../updater/report/metrics";
import { chooseStart } from "../../../updater/apply/prepare";
import { readSeed } from "../../../updater/sources/initial-backends";
import {
  DISCOVERY_MODES,
  type DiscoveryMode,
  type UpdaterSettings,
} from "../../../updater/settings";

const M1 = { name: "m1", address: "10.0.0.1", port: 6443 };
const M2 = { name: "m2", address: "10.0.0.2", port: 6443 };

describe("the updater's files", () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "updater-files-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  describe("writeFileAtomically", () => {
    it("replaces the file and leaves nothing else", () => {
      writeFileAtomically(at("f"), "one");
      writeFileAtomically(at("f"), "two", { durable: false });
      assert.equal(readFileSync(at("f"), "utf8"), "two");
      assert.deepEqual(readdirSync(folder), ["f"]);
    });

    it("keeps the old file when the check refuses the new one", () => {
      writeFileAtomically(at("f"), "good");
      const check = (file: string): void => {
        assert.equal(readFileSync(file, "utf8"), "bad");
        throw new Error("no");
      };
      assert.throws(() => writeFileAtomically(at("f"), "bad", { check }), /no/);
      assert.equal(readFileSync(at("f"), "utf8"), "good");
      assert.deepEqual(readdirSync(folder), ["f"]);
    });

    it("keeps the old file when the disk takes only the beginning of the new one", () => {
      writeFileAtomically(at("f"), "good");
      const module = join(__dirname, "../../../updater/apply/atomic-file");
      const program = `require("tsx/cjs");
        require(${JSON.stringify(module)}).writeFileAtomically(${JSON.stringify(at("f"))}, "x\\n".repeat(20000));`;
      // files of more than 16 blocks cannot be written: the first write is cut short, and only a second one fails
      const run = spawnSync("sh", ["-c", 'ulimit -f 16; exec node -e "$1"', "sh", program], {
        encoding: "utf8",
        env: { ...process.env, TSX_DISABLE_CACHE: "1" },
      });
      assert.match(run.stderr, /EFBIG/);
      assert.equal(readFileSync(at("f"), "utf8"), "good");
      assert.deepEqual(readdirSync(folder), ["f"]);
    });

    it("removes what a killed writer left, and nothing else", () => {
      for (const name of [".f.123.new", ".other.123.new", "f"]) writeFileSync(at(name), "");
      removeLeftovers(at("f"));
      assert.deepEqual(readdirSync(folder).sort(), [".other.123.new", "f"]);
    });
  });

  describe("checkWith", () => {
    const report = () => {
      const lines: string[] = [];
      return { lines, log: createLog((line) => lines.push(line)), metrics: new Metrics() };
    };
    const available = (metrics: Metrics): string | undefined =>
      /_config_check_available (\d)$/m.exec(metrics.render())?.[1];

    it("passes with exit code 0, and gives the checker's words otherwise", () => {
      const told = report();
      checkWith(["true"], told)(at("f"));
      const refuse = checkWith(["sh", "-c", "echo line 3 is bad >&2; exit 1"], told);
      assert.throws(() => refuse(at("f")), RefusedConfigError);
      assert.throws(() => refuse(at("f")), /line 3 is bad/);
      assert.deepEqual(told.lines, []);
      assert.equal(available(told.metrics), "1");
    });

    const missing: [string, readonly string[] | undefined, RegExp][] = [
      ["is not set", undefined, /no checkCommand is set/],
      ["does not exist", ["/no/such/program"], /\/no\/such\/program.*ENOENT/],
      ["lacks a library", ["sh", "-c", "echo libx.so: not found >&2; exit 127"], /libx\.so/],
    ];
    for (const [title, command, reason] of missing) {
      it(`lets files pass when the command ${title}, and says so in log and metric`, () => {
        for (const ask of [
          probeCheck,
          (...args: Parameters<typeof probeCheck>) => {
            checkWith(...args)(at("f"));
          },
        ]) {
          const told = report();
          told.metrics.configCheckAvailable = true;
          ask(command, told);
          assert.equal(told.lines.length, 1);
          assert.match(told.lines[0] ?? "", /"warn".*WITHOUT a check/);
          assert.match(told.lines[0] ?? "", reason);
          assert.equal(available(told.metrics), "0");
        }
      });
    }

    it("is no verdict on the file when the check was killed", () => {
      const killed = checkWith(["sh", "-c", "kill -9 $$"], report());
      assert.throws(
        () => killed(at("f")),
        (error: Error) =>
          !(error instanceof RefusedConfigError) && /could not check.*SIGKILL/.test(error.message),
      );
    });
  });

  describe("last good backends", () => {
    it("come back with their slots", () => {
      const lastGood = { savedAtMs: 5, revision: "7", slots: [M1, undefined, M2] };
      saveLastGood(at("l"), lastGood);
      assert.deepEqual(readLastGood(at("l")), lastGood);
    });

    it("are none when the file is missing, broken, foreign, or without a backend", () => {
      assert.equal(readLastGood(at("l")), undefined);
      const slots = [{ ...M1, address: "127.0.0.1" }];
      const texts = [
        "",
        "{",
        "[]",
        "{}",
        JSON.stringify({ version: 2, savedAtMs: 1, revision: "", slots: [M1] }),
        JSON.stringify({ version: 1, savedAtMs: 1, revision: "", slots: [] }),
        JSON.stringify({ version: 1, savedAtMs: 1, revision: "", slots }),
      ];
      for (const text of texts) {
        writeFileSync(at("l"), text);
        assert.equal(readLastGood(at("l")), undefined, text);
      }
    });
  });

  describe("the mounted ConfigMap", () => {
    it("is read as kubelet writes it: links to a dated folder, whose time counts", () => {
      mkdirSync(at("seed/..2026_11_24"), { recursive: true });
      writeFileSync(at("seed/..2026_11_24/m1"), "10.0.0.1:6443\n");
      symlinkSync("..2026_11_24", at("seed/..data"));
      symlinkSync("..data/m1", at("seed/m1"));
      utimesSync(at("seed/..2026_11_24"), 1000, 1000);
      assert.deepEqual(readSeed(at("seed")), {
        data: { m1: "10.0.0.1:6443" },
        writtenAtMs: 1_000_000,
      });
    });

    it("is none when the folder is missing or empty", () => {
      assert.equal(readSeed(at("seed")), undefined);
      mkdirSync(at("seed"));
      assert.equal(readSeed(at("seed")), undefined);
    });
  });

  const settings = (): UpdaterSettings => ({
    namespace: "kube-system",
    configMap: "haproxy-backends",
    discovery: "configMap",
    haproxy: {
      listen: ["${HOST_IP}"],
      port: 6444,
      healthPort: 6445,
      allow: [],
      caFile: "/ca.crt",
      adminSocket: "/run/admin.sock",
      updaterSocket: "/run/updater.sock",
      stateFile: "/run/state",
      ...HAPROXY_DEFAULTS,
    },
    configFile: at("haproxy.cfg"),
    masterSocket: "/run/master.sock",
    lastGoodFile: at("last-good.json"),
    seedDir: at("seed"),
    tokenFile: at("token"),
    apiCaFile: "/ca.crt",
    apiPort: 6443,
    apiServerName: "kubernetes",
    localAddress: "${HOST_IP}",
    drainSeconds: 30,
    retainSeconds: 3600,
  });
  const silent = createLog(() => undefined);
  const seed = (data: Record<string, string>, seconds: number): void => {
    mkdirSync(at("seed"), { recursive: true });
    for (const [key, value] of Object.entries(data)) writeFileSync(at(`seed/${key}`), value);
    utimesSync(at("seed"), seconds, seconds);
  };

  describe("chooseStart", () => {
    it("takes whichever was written later, and keeps slots", () => {
      const slots = [undefined, M1];
      saveLastGood(at("last-good.json"), { savedAtMs: 50_000, revision: "7", slots });
      seed({ m1: "10.0.0.1:6443", m2: "10.0.0.2:6443" }, 40);
      assert.equal(chooseStart(settings(), silent).revision, "7");
      seed({}, 60);
      const start = chooseStart(settings(), silent);
      assert.equal(start.revision, "");
      assert.deepEqual(start.slots, [M2, M1]);
    });

    it("takes the last good set when the mounted ConfigMap has no valid entry", () => {
      saveLastGood(at("last-good.json"), { savedAtMs: 1, revision: "7", slots: [M1] });
      seed({ m1: "nonsense" }, 60);
      assert.equal(chooseStart(settings(), silent).revision, "7");
    });

    it("never loses what the EndpointSlice alone knows to a newer ConfigMap", () => {
      const known = { name: "10.0.0.3", address: "10.0.0.3", port: 6443 };
      const slots = [M2, known];
      saveLastGood(at("last-good.json"), { savedAtMs: 50_000, revision: "7", slots });
      seed({ m1: "10.0.0.1:6443" }, 60);
      const names = (discovery: DiscoveryMode) =>
        backendsOf(chooseStart({ ...settings(), discovery }, silent).slots).map(({ name }) => name);
      assert.deepEqual(names("configMap"), ["m1"]);
      assert.deepEqual(names("endpoints"), ["10.0.0.2", "10.0.0.3", "m1"]);
      // m2 had its name from the ConfigMap, which does not have it any more.
      assert.deepEqual(names("both"), ["10.0.0.3", "m1"]);
      seed({ m1: "10.0.0.1:6443" }, 40);
      for (const discovery of DISCOVERY_MODES) {
        assert.deepEqual(names(discovery), ["10.0.0.3", "m2"]);
      }
    });

    it("says what to do when there is no backend at all", () => {
      seed({ m1: "nonsense" }, 60);
      const logged: string[] = [];
      const log = createLog((line) => logged.push(line));
      assert.throws(
        () => chooseStart(settings(), log),
        /no backend to start with.*kubectl .*patch/s,
      );
      assert.match(logged.join(""), /"key":"m1"/);
    });
  });

  describe("loadSettings", () => {
    const load = (
      change: object,
      environment: Record<string, string> = { HOST_IP: "10.0.0.5" },
    ) => {
      writeFileSync(at("settings.json"), JSON.stringify({ ...settings(), ...change }));
      return loadSettings(at("settings.json"), environment);
    };

    it("replaces the host's address from the environment, and leaves HAProxy's to HAProxy", () => {
      const loaded = load({});
      assert.equal(loaded.localAddress, "10.0.0.5");
      assert.deepEqual(loaded.haproxy.listen, ["${HOST_IP}"]);
    });

    it("names the file and the field of a mistake", () => {
      assert.throws(() => load({ tokenFile: "" }), /settings\.json: tokenFile: got ""/);
      assert.throws(() => load({ apiPort: "6443" }), /settings\.json: apiPort: got "6443"/);
      for (const [field, value] of Object.entries({
        checkCommand: "haproxy -c -f",
        prepareWaitSeconds: "10",
        tokenVariable: "",
        reloadRequestFile: 1,
      })) {
        const message = new RegExp(`settings\\.json: ${field}: got ${JSON.stringify(value)}, exp`);
        assert.throws(() => load({ [field]: value }), message);
      }
      assert.throws(() => load({ retainSeconds: -1 }), /settings\.json: retainSeconds: got -1/);
      assert.throws(
        () => load({ discovery: "dns" }),
        /discovery: got "dns", expected configMap, endpoints, both/,
      );
      assert.throws(() => load({}, {}), /localAddress: \$\{HOST_IP\} gives ""/);
      const haproxy = { ...settings().haproxy, port: 0 };
      assert.throws(() => load({ haproxy }), /settings\.json: .*haproxy\.port: got 0/);
      writeFileSync(at("settings.json"), "{");
      assert.throws(() => loadSettings(at("settings.json")), /cannot be read as JSON/);
    });
  });
});
