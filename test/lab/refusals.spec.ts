import assert from "node:assert/strict";
import { clusterConfig, type ClusterOverrides } from "../../e2e/scenario/lab-stack";
import { Lab } from "../../lab/src/index";
import { Engine } from "../../pulumi-test-utils/src/index";
import { program } from "../../stacks/program";
import { refuses, traces } from "./support";

describe("refusal before any change", function () {
  this.timeout(10 * 60_000);
  let lab: Lab;

  before(async () => {
    lab = await Lab.up({ name: "refusals-test", machines: 2 });
  });

  after(async () => {
    await lab?.down();
  });

  /** Asserts that `up` fails with a message that matches every pattern. */
  async function upIsRefused(overrides: ClusterOverrides, ...patterns: readonly RegExp[]) {
    const engine = await Engine.create({
      program,
      projectFile: "Pulumi.yaml",
      stack: "refusals",
      config: clusterConfig(lab, overrides),
    });
    try {
      await refuses(engine.up(), ...patterns);
    } finally {
      await engine.dispose();
    }
  }

  /** Asserts that `up` is refused and has changed no machine. */
  async function isRefused(overrides: ClusterOverrides, ...patterns: readonly RegExp[]) {
    await upIsRefused(overrides, ...patterns);
    for (const { name } of lab.machines) {
      assert.equal(await traces(lab, name), "", `${name} was changed`);
    }
  }

  it("reports an unknown key, a bad address and a duplicate address together", async () => {
    await isRefused(
      {
        nodes: {
          m1: { address: "10.77.0.300" },
          m2: { address: "10.9.9.9" },
          m3: { address: "10.9.9.9" },
        },
        forward: { kind: "nftables", colour: "red" },
      },
      /nodes\.m1\.address/,
      /nodes\.m3\.address|nodes\.m2\.address/,
      /colour/,
    );
  });

  it("refuses a host key that differs from the configured one", async () => {
    const other =
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPf8Vp0fJqhdXhbW0qnHFwpzpFN4PVcQv1r3xDyrxH3v";
    await isRefused(
      { ssh: { hostKey: other } },
      /m[12]-preflight/,
      /host key|knownhosts|mismatch/i,
    );
  });

  it("names the host that refuses SSH", async () => {
    await isRefused({ ssh: { port: 2222 } }, /m[12]-preflight/, /ECONNREFUSED|refused/);
  });

  it("refuses an SSH user without sudo rights", async () => {
    await lab.exec(
      "m1",
      `useradd --create-home --shell /bin/sh nosudo
       install -d -m 700 -o nosudo -g nosudo /home/nosudo/.ssh
       install -m 600 -o nosudo -g nosudo /home/ops/.ssh/authorized_keys /home/nosudo/.ssh/authorized_keys`,
    );
    await isRefused({ ssh: { user: "nosudo" } }, /m1-preflight/, /sudo/);
  });

  it("names the process that holds the LB port", async () => {
    await lab.exec("m2", "systemd-run --unit=squatter socat TCP-LISTEN:6444,fork /dev/null");
    try {
      await lab.exec(
        "m2",
        "for i in $(seq 100); do ss -Hltn 'sport = :6444' | grep -q . && exit 0; sleep 0.1; done; exit 1",
      );
      await upIsRefused({}, /m2/, /6444/, /socat/);
      assert.equal(await traces(lab, "m1"), "", "m1 was changed");
    } finally {
      await lab.exec("m2", "systemctl stop squatter");
    }
  });
});
