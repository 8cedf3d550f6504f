import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "mocha";
import { parse } from "yaml";
import { cloudConfig } from "../../../host/cloud-config";
import { forwardPart } from "../../../host/forward/forward-part";
import { filesOf } from "../../../host/part";
import { assertSoundSh } from "../shell";
import { forwardSettings, PARTS } from "./example-parts";

interface CloudConfig {
  readonly write_files: readonly {
    readonly path: string;
    readonly owner: string;
    readonly permissions: string;
    readonly encoding: string;
    readonly content: string;
  }[];
  readonly runcmd: readonly (readonly string[])[];
}

describe("cloud-config of the forward", () => {
  const part = forwardPart(forwardSettings());
  const text = cloudConfig([part]);
  const config = parse(text) as CloudConfig;
  const command = config.runcmd[0]?.[2] ?? "";

  it("begins with cloud-init's marker", () => {
    assert.match(text, /^#cloud-config\n/);
  });

  it("writes the same files as the script that SSH sends", () => {
    assert.deepEqual(
      config.write_files.map(({ path, permissions, content }) => ({
        path,
        mode: permissions,
        content: Buffer.from(content, "base64").toString(),
      })),
      filesOf(part),
    );
  });

  it("quotes the modes: YAML would read them as numbers", () => {
    for (const { permissions } of config.write_files) assert.equal(typeof permissions, "string");
  });

  it("starts the rules, then the listener, and waits until each is ready", () => {
    assert.deepEqual(command.split("\n"), [
      "set -eu",
      "systemctl daemon-reload",
      "systemctl enable --now control-plane-lb-forward-rules.service",
      "timeout 90 sh -c 'until /opt/control-plane-lb/forward-rules check; do sleep 1; done'",
      "systemctl enable --now control-plane-lb-forward.service",
      "timeout 90 sh -c 'until /opt/control-plane-lb/forward-listener check; do sleep 1; done'",
    ]);
  });

  it("runs sound POSIX sh", () => assertSoundSh(command));

  it("is rendered for every kind", () => {
    for (const kind of ["nftables", "iptables", "socat"] as const) {
      const rendered = parse(cloudConfig([forwardPart(forwardSettings({ kind }))])) as CloudConfig;
      assert.ok(rendered.write_files.length >= 2, kind);
    }
  });

  it("is valid for cloud-init's schema", function () {
    const { error, status, stdout, stderr } = spawnSync(
      "cloud-init",
      ["schema", "--config-file", "/dev/stdin"],
      { input: text, encoding: "utf8" },
    );
    if (error !== undefined) this.skip();
    assert.equal(status, 0, `${stdout}${stderr}`);
  });
});

describe("cloud-config", () => {
  it("has an account for each user of a part, besides the image's own", () => {
    const users = [{ name: "someone", comment: "an example" }];
    const { users: rendered } = parse(
      cloudConfig([{ owner: "example", users, summary: "an example" }]),
    ) as { users: readonly unknown[] };
    assert.equal(rendered[0], "default");
    assert.equal((rendered[1] as { name: string }).name, "someone");
  });

  it("quotes the words of a command that says when a unit is ready", () => {
    const units = [{ name: "a.service", text: "", ready: ["/bin/test", "it's", "!=", "a & b"] }];
    const { runcmd } = parse(
      cloudConfig([{ owner: "example", units, summary: "an example" }]),
    ) as CloudConfig;
    const [, words = ""] = /sh -c (.*)$/m.exec(runcmd[0]?.[2] ?? "") ?? [];
    const { stdout } = spawnSync("sh", ["-c", `printf %s ${words}`], { encoding: "utf8" });
    assert.equal(stdout, "until /bin/test 'it'\\''s' '!=' 'a & b'; do sleep 1; done");
  });

  for (const name of ["HAProxy's service", "the updater's service"]) {
    it(`refuses ${name}, which needs imperative steps`, () => {
      assert.throws(() => cloudConfig([PARTS[name]!]), /cannot be rendered .* imperative steps/);
    });
  }
});
