import { PARTS_DIR } from "./holders";
import { hostScript } from "./shell";

/**
 * `hostScript` whose removal takes away every part of this stack and node that is still on the host,
 * the last one first: parts whose installation failed, which are in no state. Each removal is the
 * script that the installation has left on the host. It takes no lock: they do.
 */
export function cleanUpScript(): string {
  return hostScript("clean-up", { apply: ":", remove: REMOVE_ALL }, { lock: false });
}

const REMOVE_ALL = `for holders in $(ls -t ${PARTS_DIR}/*/holders 2>/dev/null || :); do
  grep -qxF -- "$holder_stack $holder_node" "$holders" || continue
  say "removes what is left of \${holders%/holders}"
  sh "\${holders%holders}remove" remove "$holder_stack" "$holder_node"
done`;
