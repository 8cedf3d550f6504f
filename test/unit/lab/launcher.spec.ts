import assert from "node:assert/strict";
import type { MachineGroups } from "../../../lab/src/cgroups";
import { launcherScript } from "../../../lab/src/launcher";
import { assertSoundSh } from "../shell";

const script = (groups: MachineGroups) =>
  launcherScript({
    id: "lab0-m1",
    hostname: "m1",
    netns: "/run/netns/lab0-m1",
    disk: {
      lowers: ["/cache/layer", "/cache/rootfs"],
      upper: "/lab/upper",
      work: "/lab/work",
      binds: { "/var/lib/etcd": "/lab/etcd" },
    },
    mountpoint: "/lab/mount",
    groups,
    devices: ["/dev/kmsg"],
  });

const V1 = script({
  join: ["/sys/fs/cgroup/memory/lab/m1", "/sys/fs/cgroup/pids/lab/m1"],
  hierarchies: [
    {
      path: "/sys/fs/cgroup/cpu,cpuacct",
      name: "cpu,cpuacct",
      mountArguments: "-t cgroup -o cpu,cpuacct",
    },
  ],
});

const GROUP = "/sys/fs/cgroup/lab/m1";
const V2 = script({ join: [`${GROUP}/launcher`], hierarchies: [], nspawn: `${GROUP}/nspawn` });

/** The part that runs in the machine's mount namespace. */
const inside = (text: string) => text.slice(text.indexOf("'") + 1, text.lastIndexOf("'"));

describe("launcherScript", () => {
  it("is sound shell, outside and inside of the mount namespace", () => {
    for (const text of [V1, V2]) {
      assertSoundSh(inside(text));
      assertSoundSh(text.replace(inside(text), ":"));
    }
  });

  it("on cgroup v1 makes the machine's groups the roots of its hierarchies", () => {
    assert.match(V1, /unshare --cgroup --mount/);
    assert.match(V1, /mount -t cgroup -o cpu,cpuacct cgroup \/lab\/mount\/cgroup\/cpu,cpuacct\n/);
    assert.match(V1, /--bind=\/lab\/mount\/cgroup:\/sys\/fs\/cgroup/);
  });

  it("on cgroup v2 leaves the machine's groups to systemd-nspawn", () => {
    assert.doesNotMatch(V2, /--cgroup|\/lab\/mount\/cgroup|--bind=[^ ]*:\/sys\/fs\/cgroup/);
  });

  it("on cgroup v2 starts systemd-nspawn in a new group without other processes at each boot", () => {
    const [start = "", loop = ""] = V2.split("while ");
    assert.ok(start.includes(`echo $$ > ${GROUP}/launcher/cgroup.procs`));
    assert.match(
      loop,
      /rmdir[^]*mkdir [^ ]*\/nspawn\n *\(echo 0 > [^ ]*\/nspawn\/cgroup\.procs && exec systemd-nspawn/,
    );
  });
});
