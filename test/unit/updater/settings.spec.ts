import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HAPROXY_DEFAULTS, UPDATER_DEFAULTS } from "../../support/haproxy-defaults";
import { hostUpdaterSettings } from "../../../host/service/host-updater-settings";
import { podUpdaterSettings } from "../../../pod/updater-config";
import { readSettings } from "../../../updater/read-settings";
import { type UpdaterChoices, type UpdaterSettings } from "../../../updater/settings";

const CHOICES: UpdaterChoices = {
  ...UPDATER_DEFAULTS,
  retainSeconds: 17,
  discovery: "both",
  apiPort: 6443,
  haproxy: { port: 6444, healthPort: 6445, allow: ["10.0.0.0/8"], ...HAPROXY_DEFAULTS },
};

const SETTINGS: Record<string, UpdaterSettings> = {
  "a pod": podUpdaterSettings(CHOICES, true),
  "a host": hostUpdaterSettings({
    ...CHOICES,
    ownAddress: { from: "route" },
    script: "SCRIPT",
    caCert: "CERTIFICATE",
    backends: {},
    token: "environment",
  }),
};

describe("settings.json", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "updater-settings-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  for (const [place, settings] of Object.entries(SETTINGS)) {
    it(`of ${place} is one that the updater reads`, () => {
      writeFileSync(join(folder, "settings.json"), JSON.stringify(settings));
      const read = readSettings(join(folder, "settings.json"), { HOST_IP: "10.0.0.5" });
      assert.deepEqual(read, { ...settings, localAddress: "10.0.0.5" });
    });

    it(`of ${place} has all that operators choose`, () => {
      const { haproxy, ...flat } = CHOICES;
      assert.deepEqual({ ...settings, ...flat }, settings);
      assert.deepEqual({ ...settings.haproxy, ...haproxy }, settings.haproxy);
    });

    it(`of ${place} has no text of files beside it`, () => {
      assert.doesNotMatch(JSON.stringify(settings), /SCRIPT|CERTIFICATE/);
    });
  }
});
