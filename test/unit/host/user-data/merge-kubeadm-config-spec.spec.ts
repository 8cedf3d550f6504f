import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import {
  mergeKubeadmConfigSpec,
  type KubeadmConfigAddition,
} from "../../../../host/user-data/merge-kubeadm-config-spec";

const ours: KubeadmConfigAddition = {
  files: [{ path: "/opt/ours" }, { path: "/opt/ours" }, { path: "/etc/ours" }],
  preKubeadmCommands: ["our pre"],
  postKubeadmCommands: ["our post"],
};
const nothing = { files: [], preKubeadmCommands: [], postKubeadmCommands: [] };

const users = {
  format: "cloud-config",
  users: [{ name: "ops" }],
  files: [{ path: "/etc/a", content: "{{ ds.meta_data.local_hostname }}" }, { path: "/etc/b" }],
  preKubeadmCommands: ["pre 1", "pre {{ ds.meta_data.x }}"],
  postKubeadmCommands: ["post 1"],
  initConfiguration: { nodeRegistration: { name: "{{ ds.meta_data.local_hostname }}" } },
};

describe("a user's KubeadmConfigSpec and ours", () => {
  it("keep the user's entries in front, with ours after them", () => {
    const merged = mergeKubeadmConfigSpec(users, ours, "after");
    assert.deepEqual(merged, {
      ...users,
      files: [...users.files, ...ours.files],
      preKubeadmCommands: [...users.preKubeadmCommands, "our pre"],
      postKubeadmCommands: ["post 1", "our post"],
    });
  });

  it("keep the user's entries behind, with ours before them", () => {
    const merged = mergeKubeadmConfigSpec(users, ours, "before");
    assert.deepEqual(merged["preKubeadmCommands"], ["our pre", ...users.preKubeadmCommands]);
    assert.deepEqual(merged["postKubeadmCommands"], ["our post", "post 1"]);
    assert.deepEqual(merged["files"], [...ours.files, ...users.files]);
  });

  it("are ours alone in an empty spec", () => {
    assert.deepEqual(mergeKubeadmConfigSpec({}, ours, "after"), ours);
  });

  it("get no empty list, which the API refuses", () => {
    assert.deepEqual(mergeKubeadmConfigSpec({}, nothing, "after"), {});
  });

  it("leave any text of the user as it is", () => {
    const file = fc.record({ path: fc.string(), content: fc.string({ unit: "binary" }) });
    fc.assert(
      fc.property(
        fc.record({ files: fc.array(file), preKubeadmCommands: fc.array(fc.string()) }),
        fc.constantFrom("before" as const, "after" as const),
        (spec, place) => {
          const merged = mergeKubeadmConfigSpec(spec, ours, place);
          const start = place === "after" ? 0 : ours.files.length;
          const files = merged["files"] as unknown[];
          assert.deepEqual(files.slice(start, start + spec.files.length), spec.files);
          assert.equal(files.length, spec.files.length + ours.files.length);
          const commands = merged["preKubeadmCommands"] as string[];
          assert.deepEqual(
            commands.filter((_, index) => index !== (place === "after" ? commands.length - 1 : 0)),
            spec.preKubeadmCommands,
          );
        },
      ),
    );
  });

  for (const path of ["/opt/ours", "/opt//ours", "/opt/x/../ours"]) {
    it(`are refused when both write ${path}`, () => {
      assert.throws(
        () => mergeKubeadmConfigSpec({ files: [{ path: "/a" }, { path }] }, ours, "after"),
        {
          message: `files[1].path: ${path} is a file of ours: leave it out`,
        },
      );
    });
  }

  it("are refused when the user has no list where one belongs", () => {
    assert.throws(() => mergeKubeadmConfigSpec({ preKubeadmCommands: "x" }, ours, "after"), {
      message: "preKubeadmCommands: is no list",
    });
  });
});
