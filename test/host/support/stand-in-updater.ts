import { describeSpec, fingerprintCa } from "../../../haproxy/config";
import { servicePaths } from "../../../host/service/haproxy-paths";
import { hostUpdaterSettings } from "../../../host/service/host-updater-settings";
import { updaterSettings } from "../../unit/host/example-parts";

type HaproxySettings = ReturnType<typeof updaterSettings>["haproxy"];

/** Script of an updater that answers on both sockets and does nothing else. */
export function standInUpdater(haproxy: HaproxySettings = updaterSettings().haproxy): string {
  const { configFile, runDir } = servicePaths(haproxy.port);
  const settings = updaterSettings({ haproxy });
  const description = describeSpec({
    ...hostUpdaterSettings(settings).haproxy,
    caFingerprint: fingerprintCa(settings.caCert),
  });
  return `const { rmSync, writeFileSync } = require("node:fs");
if (process.argv.includes("prepare")) {
  writeFileSync("${configFile}", "# first\\n");
  process.exit();
}
const answers = {
  "updater.sock": '{"backends":[]}',
  "admin.sock": "Description: ${description}\\n",
};
for (const [name, text] of Object.entries(answers)) {
  const path = "${runDir}/" + name;
  rmSync(path, { force: true });
  require("node:net").createServer((socket) => socket.end(text)).listen(path);
}
`;
}
