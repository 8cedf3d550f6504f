import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSettings } from "../../../updater/read-settings";
import { exampleSettings } from "./example-settings";

describe("readSettings", () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "updater-files-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const HOST = { localAddress: "${HOST_IP}" };
  const load = (change: object, environment: Record<string, string> = { HOST_IP: "10.0.0.5" }) => {
    writeFileSync(
      at("settings.json"),
      JSON.stringify({ ...exampleSettings(folder, HOST), ...change }),
    );
    return readSettings(at("settings.json"), environment);
  };

  it("replaces a variable in localAddress, and leaves those of haproxy.cfg to HAProxy", () => {
    const { haproxy } = exampleSettings(folder);
    const loaded = load({ haproxy: { ...haproxy, listen: ["${HOST_IP}"] } });
    assert.equal(loaded.localAddress, "10.0.0.5");
    assert.deepEqual(loaded.haproxy.listen, ["${HOST_IP}"]);
  });

  it("names the file and the field of an error", () => {
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
    const haproxy = { ...exampleSettings(folder, HOST).haproxy, port: 0 };
    assert.throws(() => load({ haproxy }), /settings\.json: .*haproxy\.port: got 0/);
    writeFileSync(at("settings.json"), "{");
    assert.throws(() => readSettings(at("settings.json")), /cannot be read as JSON/);
  });
});
