import { checkFiles, NAME, PATH } from "./files";
import { filesOf, type HostPart } from "./part";

const UNIT_NAME = /^[A-Za-z0-9:_.@-]+\.(service|path|timer|socket|target|mount)$/;
const SYSCTL = /^[a-z0-9_-]+(\.[A-Za-z0-9_/-]+)+$/;

/**
 * A part that cannot be rendered is refused before it reaches a host.
 *
 * @throws Error that names the part, the field and what it expects
 */
export function checkPart(part: HostPart): void {
  const { owner, users = [], folders = [], units = [], sysctls = {} } = part;
  const expect = (good: boolean, what: string, got: string, expected: string) => {
    if (!good) throw new Error(`${what} of ${owner}: got "${got}", expected ${expected}`);
  };
  checkFiles(owner, filesOf(part));
  for (const { name, comment } of users) {
    expect(NAME.test(name), "user", name, "a name in lower case");
    expect(/^[^:\n]*$/.test(comment), "comment of a user", comment, "one line without colons");
  }
  for (const { path, mode, user, group } of folders) {
    expect(PATH.test(path), "folder", path, "an absolute path without blanks");
    expect(/^[0-7]{3,4}$/.test(mode), `mode of folder ${path}`, mode, "octal like 0750");
    for (const name of [user, group]) {
      expect(NAME.test(name), `user or group of folder ${path}`, name, "a name in lower case");
    }
  }
  for (const { name } of units) {
    expect(UNIT_NAME.test(name), "unit", name, "a name like example.service");
  }
  for (const [name, value] of Object.entries(sysctls)) {
    expect(SYSCTL.test(name), "sysctl", name, "a name like net.ipv4.ip_forward");
    expect(/^\S(.*\S)?$/.test(value), `sysctl ${name}`, value, "one line");
  }
}
