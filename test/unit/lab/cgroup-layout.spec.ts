import assert from "node:assert/strict";
import { parseLayout } from "../../../lab/src/cgroup-layout";

/** A line of /proc/self/mountinfo. */
const mount = (path: string, type: string, superOptions = "rw") =>
  `31 23 0:28 / ${path} rw,relatime shared:9 - ${type} ${type} ${superOptions}`;

describe("parseLayout", () => {
  it("finds v2 alone, as Debian 12, Ubuntu 22.04 and Fedora mount it", () => {
    const lines = [mount("/", "ext4"), mount("/sys/fs/cgroup", "cgroup2", "rw,nsdelegate")];
    assert.deepEqual(parseLayout(lines.join("\n")), { version: 2, path: "/sys/fs/cgroup" });
  });

  it("finds the v1 hierarchies, with the v2 hierarchy beside them", () => {
    const lines = [
      mount("/sys/fs/cgroup", "tmpfs"),
      mount("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct"),
      mount("/sys/fs/cgroup/systemd", "cgroup", "rw,xattr,release_agent=/x,name=systemd"),
      mount("/sys/fs/cgroup/unified", "cgroup2"),
    ];
    assert.deepEqual(parseLayout(lines.join("\n")), {
      version: 1,
      hierarchies: [
        {
          path: "/sys/fs/cgroup/cpu,cpuacct",
          name: "cpu,cpuacct",
          mountArguments: "-t cgroup -o cpu,cpuacct",
        },
        {
          path: "/sys/fs/cgroup/systemd",
          name: "systemd",
          mountArguments: "-t cgroup -o none,name=systemd",
        },
        {
          path: "/sys/fs/cgroup/unified",
          name: "unified",
          mountArguments: "-t cgroup2",
        },
      ],
    });
  });

  it("takes the last mount on /sys/fs/cgroup, which hides the others", () => {
    const lines = [mount("/sys/fs/cgroup", "tmpfs"), mount("/sys/fs/cgroup", "cgroup2")];
    assert.equal(parseLayout(lines.join("\n")).version, 2);
  });

  it("refuses a host without control groups and says what to mount", () => {
    const lines = [mount("/", "ext4"), mount("/sys/fs/cgroup", "tmpfs")];
    assert.throws(() => parseLayout(lines.join("\n")), /mount cgroup2 on \/sys\/fs\/cgroup/);
    const noSystemd = [...lines, mount("/sys/fs/cgroup/cpu", "cgroup", "rw,cpu")];
    assert.throws(() => parseLayout(noSystemd.join("\n")), /name=systemd/);
  });
});
