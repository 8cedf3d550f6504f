import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, it } from "mocha";
import { parse } from "yaml";
import { cloudConfig } from "../../../../host/user-data/cloud-config";
import { firstBoot, type FirstBoot } from "../../../../host/user-data/first-boot";
import {
  kubeadmConfigSecret,
  kubeadmConfigSpecFragment,
} from "../../../../host/user-data/kubeadm-config-spec";
import { sizes, USER_DATA_LIMITS } from "../../../../host/user-data/sizes";
import { BOOTS, BOOTSTRAP_TOKEN, STACK } from "./example-boots";

interface WrittenFile {
  readonly path: string;
  readonly permissions: string;
  readonly encoding: string;
  readonly content?: string;
  readonly append?: boolean;
  readonly contentFrom?: { readonly secret: { readonly key: string } };
}

interface CloudConfig {
  readonly write_files: readonly WrittenFile[];
  readonly runcmd: readonly unknown[];
}

const JINJA = /\{\{|\{%|\{#/;
const decode = (content: string) => gunzipSync(Buffer.from(content, "base64"));
const read = (text: string) => parse(text) as CloudConfig;

/** What cloud-init leaves on the disk. */
function written(files: readonly WrittenFile[]): Map<string, Buffer> {
  const disk = new Map<string, Buffer>();
  for (const { path, append = false, content = "" } of files) {
    const before = append ? (disk.get(path) ?? Buffer.alloc(0)) : Buffer.alloc(0);
    disk.set(path, Buffer.concat([before, decode(content)]));
  }
  return disk;
}

function spec(boot: FirstBoot): readonly WrittenFile[] {
  const secret = kubeadmConfigSecret(boot);
  return kubeadmConfigSpecFragment(boot, "boot").files.map((file) =>
    file.contentFrom === undefined
      ? file
      : { ...file, content: secret[file.contentFrom.secret.key] ?? "" },
  );
}

function assertWhole(disk: Map<string, Buffer>, { files }: FirstBoot): void {
  assert.equal(disk.size, files.length);
  for (const { path, content } of files) {
    assert.ok(disk.get(path)?.equals(Buffer.from(content)), path);
  }
}

describe("cloud-config of a machine", () => {
  for (const [what, boot] of Object.entries(BOOTS)) {
    it(`writes the files of a ${what} for root alone`, () => {
      const { write_files: files } = read(cloudConfig(boot));
      assertWhole(written(files), boot);
      for (const { permissions } of files) assert.equal(permissions, "0600");
    });
  }

  it("begins with cloud-init's marker", () => {
    assert.match(cloudConfig(BOOTS["load-balancer host"]!), /^#cloud-config\n/);
  });

  it("runs both phases in order, after the user's commands", () => {
    const boot = BOOTS["load-balancer host"]!;
    const userConfig = {
      locale: false,
      runcmd: [["echo", "{{ a }}"]],
      write_files: [{ path: "/a" }],
    };
    const config = read(cloudConfig(boot, { hostname: "lb1", userConfig }));
    assert.deepEqual(config.runcmd, [["echo", "{{ a }}"], boot.beforeKubeadm, boot.afterKubeadm]);
    assert.deepEqual(config.write_files[0], { path: "/a" });
    assert.equal((config as unknown as { locale: unknown }).locale, false);
    assert.equal((config as unknown as { hostname: unknown }).hostname, "lb1");
  });

  for (const [what, userConfig, message] of [
    ["a user's file at a path of ours", { write_files: [{ path: "OURS" }] }, /is ours, leave it/],
    ["commands that are no list", { runcmd: "reboot" }, /runcmd .* got string, expected a list/],
    ["another hostname", { hostname: "x" }, /^hostname of the user's cloud-config/],
  ] as const) {
    it(`refuses ${what}`, () => {
      const boot = BOOTS["load-balancer host"]!;
      const ours = boot.files[0]?.path ?? "";
      const config = JSON.parse(JSON.stringify(userConfig).replace("OURS", ours)) as object;
      const options = { hostname: "lb1", userConfig: config as Record<string, unknown> };
      assert.throws(() => cloudConfig(boot, options), { message });
    });
  }
});

describe("KubeadmConfigSpec of a first boot", () => {
  for (const [what, boot] of Object.entries(BOOTS)) {
    it(`writes the files of a ${what}, each entry within the API's limit`, () => {
      const files = spec(boot);
      assertWhole(written(files), boot);
      for (const { content = "", contentFrom } of files) {
        assert.ok(contentFrom !== undefined || content.length <= 10_240);
      }
    });
  }

  it("is free of credentials, which stand in the Secret", () => {
    const boot = BOOTS["load-balancer host"]!;
    const { files } = kubeadmConfigSpecFragment(boot, "boot");
    for (const { content } of files) {
      if (content !== undefined) assert.ok(!decode(content).includes(BOOTSTRAP_TOKEN));
    }
    const data = Object.values(kubeadmConfigSecret(boot));
    assert.deepEqual(
      data.map((each) => decode(each).toString()),
      [`CONTROL_PLANE_LB_TOKEN=${BOOTSTRAP_TOKEN}\n`],
    );
  });

  it("refuses a credential without a Secret", () => {
    assert.throws(() => kubeadmConfigSpecFragment(BOOTS["load-balancer host"]!), {
      message: /holds a credential: name a Secret for it$/,
    });
  });

  it("needs no Secret on a control-plane node", () => {
    const boot = BOOTS["control-plane node, external"]!;
    assert.deepEqual(kubeadmConfigSecret(boot), {});
    assert.doesNotThrow(() => kubeadmConfigSpecFragment(boot));
  });
});

describe("user data with hostile contents", () => {
  const hostile = fc.oneof(
    fc.constantFrom(
      "",
      "\n",
      "no newline",
      "END_OF_FILE\nEND_OF_STEP\nEND_OF_MANIFEST\n",
      "{{ ds.meta_data.x }} {% if a %} {# c #} ${#a[@]}\n",
      `'"'"' $(reboot) \`reboot\` \\\n`,
      "a\r\nb\r\n",
      "- a: [b\n#cloud-config\n",
      "\u0001\u0080ÿ\ufeff💥",
    ),
    fc.string({ unit: "binary", maxLength: 2000 }).map((text) => Buffer.from(text).toString()),
  );
  const boots = fc.array(hostile, { maxLength: 4 }).map((contents) =>
    firstBoot({
      stack: STACK,
      beforeKubeadm: contents.map((content, index) => ({
        name: `step ${index}`,
        part: {
          owner: `example-${index}`,
          files: [{ path: `/etc/example-${index}`, mode: "0644", content }],
          summary: "an example",
        },
      })),
      afterKubeadm: [{ name: "script", script: ": {{ }}\n" }],
    }),
  );

  it("has no mark of Jinja outside of base64, and every byte of the contents", () => {
    fc.assert(
      fc.property(boots, (boot) => {
        const text = cloudConfig(boot);
        assert.doesNotMatch(text, JINJA);
        assertWhole(written(read(text).write_files), boot);
        const fragment = kubeadmConfigSpecFragment(boot, "boot");
        assert.doesNotMatch(JSON.stringify(fragment), /\{\{|\{%|\{#[^"]/);
        assertWhole(written(spec(boot)), boot);
      }),
      { numRuns: 60 },
    );
  });

  it("holds a file of 300 KB that does not compress", () => {
    let state = 1;
    const next = () => String.fromCharCode(33 + ((state = (state * 48_271) % 2_147_483_647) % 90));
    const content = Array.from({ length: 300_000 }, next).join("");
    const files = [{ path: "/etc/example", mode: "0644", content }];
    const part = { owner: "example", files, summary: "an example" };
    const beforeKubeadm = [{ name: "example", part }];
    const boot = firstBoot({ stack: STACK, beforeKubeadm, afterKubeadm: [] });
    assertWhole(written(read(cloudConfig(boot)).write_files), boot);
    assertWhole(written(spec(boot)), boot);
  });
});

describe("sizes of user data", () => {
  const [small, middle, large] = USER_DATA_LIMITS;
  const BOUNDS: Readonly<Record<string, number>> = {
    "control-plane node, daemonset, forward by nftables": middle,
    "control-plane node, daemonset, forward by iptables": middle,
    "control-plane node, daemonset, forward by socat": small,
    "control-plane node, external": large,
    "load-balancer host": large,
  };
  const rows = Object.entries(BOOTS).map(([what, boot]) => {
    const { raw, gzip } = sizes(cloudConfig(boot));
    const entry = JSON.stringify(kubeadmConfigSpecFragment(boot, "boot")).length;
    return { what, raw, gzip, entry };
  });
  before(() => console.table(Object.fromEntries(rows.map(({ what, ...row }) => [what, row]))));

  for (const { what, raw } of rows) {
    it(`keep ${what} within ${BOUNDS[what]! / 1024} KiB, without kubeadm's own step`, () => {
      assert.ok(raw <= BOUNDS[what]!, `${raw} bytes`);
    });
  }
});
