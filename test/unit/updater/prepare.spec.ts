import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { backendsOf, saveLastGood } from "../../../updater/apply/last-good";
import { chooseStart } from "../../../updater/prepare";
import { createLog } from "../../../updater/report/log";
import {
  DISCOVERY_MODES,
  type DiscoveryMode,
  type UpdaterSettings,
} from "../../../updater/settings";
import { exampleSettings } from "./example-settings";

const M1 = { name: "m1", address: "10.0.0.1", port: 6443 };
const M2 = { name: "m2", address: "10.0.0.2", port: 6443 };
const M3 = { name: "m3", address: "10.0.0.3", port: 6443 };
const NOTHING_ELSE = { leaving: new Map(), answered: [] };

describe("chooseStart", () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "updater-files-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const settings = (changes: Partial<UpdaterSettings> = {}): UpdaterSettings =>
    exampleSettings(folder, changes);
  const silent = createLog(() => undefined);
  const writeInitial = (data: Record<string, string>, seconds: number): void => {
    const backends = settings().initialBackendsDir;
    mkdirSync(backends, { recursive: true });
    for (const [key, value] of Object.entries(data)) writeFileSync(join(backends, key), value);
    utimesSync(backends, seconds, seconds);
  };

  it("takes the later one of initial and last good backends, and keeps their slots", () => {
    const slots = [undefined, M1];
    saveLastGood(at("last-good.json"), {
      savedAtMs: 50_000,
      revision: "7",
      slots,
      ...NOTHING_ELSE,
    });
    writeInitial({ m1: "10.0.0.1:6443", m2: "10.0.0.2:6443" }, 40);
    assert.equal(chooseStart(settings(), silent).revision, "7");
    writeInitial({}, 60);
    const start = chooseStart(settings(), silent);
    assert.equal(start.revision, "");
    assert.deepEqual(start.slots, [M2, M1]);
  });

  it("takes the own API server as first backend, and the last good ones after that", () => {
    const own = { ownBackend: true, localAddress: "10.0.0.1", discovery: "endpoints" } as const;
    const first = chooseStart(settings(own), silent);
    assert.deepEqual(backendsOf(first.slots), [{ ...M1, name: M1.address }]);
    const slots = [M2];
    saveLastGood(at("last-good.json"), {
      ...{ savedAtMs: 50_000, revision: "7", slots },
      ...NOTHING_ELSE,
    });
    assert.deepEqual(chooseStart(settings(own), silent).slots, slots);
  });

  it("lets those serve on that the initial backends replace, and keeps who has answered", () => {
    saveLastGood(at("last-good.json"), {
      ...{ savedAtMs: 50_000, revision: "7", slots: [M1, undefined, undefined] },
      ...{ leaving: new Map([[1, M3]]), answered: [{ address: M1.address, port: M1.port }] },
    });
    writeInitial({ m2: "10.0.0.2:6443" }, 60);
    const start = chooseStart(settings(), silent);
    assert.deepEqual(start.slots, [undefined, undefined, M2]);
    assert.deepEqual([...start.leaving.values()], [M3, M1]);
    assert.deepEqual(start.answered, [{ address: M1.address, port: M1.port }]);
  });

  it("takes the last good backends when no initial one is valid", () => {
    saveLastGood(at("last-good.json"), {
      savedAtMs: 1,
      revision: "7",
      slots: [M1],
      ...NOTHING_ELSE,
    });
    writeInitial({ m1: "nonsense" }, 60);
    assert.equal(chooseStart(settings(), silent).revision, "7");
  });

  it("keeps the members of the EndpointSlice beside a newer ConfigMap", () => {
    const known = { name: "10.0.0.3", address: "10.0.0.3", port: 6443 };
    const slots = [M2, known];
    saveLastGood(at("last-good.json"), {
      savedAtMs: 50_000,
      revision: "7",
      slots,
      ...NOTHING_ELSE,
    });
    writeInitial({ m1: "10.0.0.1:6443" }, 60);
    const names = (discovery: DiscoveryMode) =>
      backendsOf(chooseStart(settings({ discovery }), silent).slots).map(({ name }) => name);
    assert.deepEqual(names("configMap"), ["m1"]);
    assert.deepEqual(names("endpoints"), ["10.0.0.2", "10.0.0.3", "m1"]);
    // m2 had its name from the ConfigMap, which no longer has the key.
    assert.deepEqual(names("both"), ["10.0.0.3", "m1"]);
    writeInitial({ m1: "10.0.0.1:6443" }, 40);
    for (const discovery of DISCOVERY_MODES) {
      assert.deepEqual(names(discovery), ["10.0.0.3", "m2"]);
    }
  });

  it("names the command that adds a backend when there is none", () => {
    writeInitial({ m1: "nonsense" }, 60);
    const logged: string[] = [];
    const log = createLog((line) => logged.push(line));
    assert.throws(() => chooseStart(settings(), log), /no backend to start with.*kubectl .*patch/s);
    assert.match(logged.join(""), /"key":"m1"/);
  });
});
