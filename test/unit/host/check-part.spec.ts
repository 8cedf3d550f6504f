import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { HostPart } from "../../../host/part";
import { partScript } from "../../../host/part-script";
import { firstBoot } from "../../../host/user-data/first-boot";
import { PARTS } from "./example-parts";

const file = { path: "/etc/example", mode: "0644", content: "" };
const folder = { path: "/run/example", mode: "0750", user: "root", group: "root" };
const user = { name: "example", comment: "an example" };

const WRONG: Record<string, [Partial<HostPart>, RegExp]> = {
  "an owner with capitals": [{ owner: "Example" }, /^owner of files: got "Example"/],
  "an owner with a blank": [{ owner: "an example" }, /^owner of files: got "an example"/],
  "a file with a blank": [{ files: [{ ...file, path: "/etc/an example" }] }, /^file "\/etc\/an ex/],
  "a relative file": [{ files: [{ ...file, path: "etc/example" }] }, /^file "etc\/example"/],
  "a file outside": [{ files: [{ ...file, path: "/etc/../root" }] }, /^file "\/etc\/\.\.\/root"/],
  "a file twice": [{ files: [file, file] }, /two files have the same path/],
  "a mode of letters": [{ files: [{ ...file, mode: "u+x" }] }, /got mode "u\+x"/],
  "a group with capitals": [{ files: [{ ...file, group: "Adm" }] }, /got group "Adm"/],
  "a folder with a blank": [
    { folders: [{ ...folder, path: "/run/a b" }] },
    /^folder of .* "\/run\/a b"/,
  ],
  "a folder's mode": [{ folders: [{ ...folder, mode: "rwx" }] }, /^mode of folder \/run\/example/],
  "a folder's user": [{ folders: [{ ...folder, user: "a b" }] }, /^user or group of folder/],
  "a user with capitals": [{ users: [{ ...user, name: "Example" }] }, /^user of .* "Example"/],
  "a comment of two fields": [{ users: [{ ...user, comment: "a:b" }] }, /^comment of a user/],
  "a unit without a suffix": [{ units: [{ name: "example", text: "" }] }, /^unit of example/],
  "a sysctl as a path": [{ sysctls: { "net/ipv4": "1" } }, /^sysctl of example: got "net\/ipv4"/],
  "a sysctl of two lines": [{ sysctls: { "a.b": "1\n2" } }, /^sysctl a\.b of example/],
  "an empty sysctl": [{ sysctls: { "a.b": "" } }, /^sysctl a\.b of example/],
};

describe("a part that cannot be rendered", () => {
  for (const [what, [change, message]] of Object.entries(WRONG)) {
    it(`is refused: ${what}`, () => {
      const part: HostPart = { owner: "example", summary: "an example", ...change };
      assert.throws(() => partScript(part), { message });
      const beforeKubeadm = [{ name: "example", part }];
      assert.throws(() => firstBoot({ stack: "s", beforeKubeadm, afterKubeadm: [] }), { message });
    });
  }

  it("is none of the product's", () => {
    for (const part of Object.values(PARTS)) assert.doesNotThrow(() => partScript(part));
  });
});
