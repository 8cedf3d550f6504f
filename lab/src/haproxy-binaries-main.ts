import { logToStderr } from "../../tools/src/index";
import { haproxyTree, HAPROXY_VERSIONS } from "./image-roots";
import { ensureCommands } from "./packages";

// Unpacks the HAProxy releases into the cache: the child process of haproxyBinaries().
async function main(): Promise<void> {
  await ensureCommands(logToStderr, ["mmdebstrap", "setpriv"]);
  for (const version of HAPROXY_VERSIONS) await haproxyTree(version, logToStderr);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
