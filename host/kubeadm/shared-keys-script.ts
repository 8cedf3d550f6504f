import { HOST_STATE_DIR } from "../../names";
import { hostScript } from "../shell";
import { keyFiles, type SharedKeys } from "./shared-keys";
import { library, printer, variables } from "./shell-library";

/**
 * The script that puts the keys that all control-plane nodes share in place, before kubeadm, which
 * uses what it finds. It changes nothing where files of a cluster are, and refuses a host with other
 * keys. SECRET as a whole.
 *
 * @param name begins its messages
 */
export function sharedKeysScript(name: string, keys: SharedKeys): string {
  const files = keyFiles(keys);
  const names = files.map((file) => `${file.name} ${file.mode}\n`).join("");
  const cases = files.map((file, index) => `    ${file.name}) key_file_${index} ;;\n`).join("");
  const apply = [
    variables({ STATE: HOST_STATE_DIR }),
    ...files.map(({ content }, index) => printer(`key_file_${index}`, content)),
    printer("key_files", names),
    `key_file() { # name\n  case $1 in\n${cases}  esac\n}\n`,
    library("paths", "common", "shared-keys"),
    "put_shared_keys",
  ].join("\n");
  return hostScript(`${name}-keys`, { apply });
}
