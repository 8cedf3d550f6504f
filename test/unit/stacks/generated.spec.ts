import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "mocha";
import { parse } from "yaml";
import { z } from "zod";
import { generatedFiles } from "../../../scripts/config-docs/files";
import { fillTables } from "../../../scripts/config-docs/markdown";
import { TEXT_KEYS } from "../../../stacks/schema";

const ROOT = path.resolve(__dirname, "../../..");
const read = (name: string) => readFileSync(path.join(ROOT, name), "utf8");

describe("the files that come from the schema of the configuration", () => {
  it("are up to date", async () => {
    const outdated = (await generatedFiles())
      .filter(({ path: file, text }) => !existsSync(file) || readFileSync(file, "utf8") !== text)
      .map(({ name }) => name);
    assert.deepEqual(outdated, [], `out of date: ${outdated.join()}: run \`npm run generate\``);
  });

  it("list every key in a table", () => {
    const withoutKubeadm = read("docs/configuration.md").replace("<!-- keys: kubeadm -->", "");
    assert.throws(
      () => fillTables(withoutKubeadm),
      /kubeadm\.kubernetesVersion is in no table: add it to a "keys:" line/,
    );
  });

  it("give Pulumi the types by which the program reads texts and JSON", () => {
    const { config } = parse(read("Pulumi.yaml")) as { config: Record<string, { type: string }> };
    const texts = Object.entries(config).filter(([, { type }]) => type === "string");
    assert.deepEqual(texts.map(([key]) => key).sort(), [...TEXT_KEYS].sort());
  });
});

describe("config.schema.json", () => {
  const schema = z.fromJSONSchema(
    JSON.parse(read("config.schema.json")) as Parameters<typeof z.fromJSONSchema>[0],
  );
  const valid = (file: unknown) => schema.safeParse(file).success;

  interface StackFile {
    readonly config: Record<string, Record<string, unknown>>;
  }
  const dev = () => parse(read("Pulumi.dev.yaml")) as StackFile;
  const withKey = (key: string, value: unknown) => {
    const { config } = dev();
    return { config: { ...config, [key]: value } };
  };

  for (const name of ["Pulumi.dev.yaml", "Pulumi.external.yaml"]) {
    it(`accepts ${name}`, () => {
      const result = schema.safeParse(parse(read(name)));
      assert.equal(result.error, undefined);
    });

    it(`is the schema that editors use for ${name}`, () => {
      assert.match(read(name), /^# yaml-language-server: \$schema=\.\/config\.schema\.json\n/);
    });
  }

  it("accepts the program's own defaults", () => {
    const timeouts = { connect: "700ms", idle: "24h" };
    assert.ok(valid(withKey("control-plane-lb:haproxy", { hardStopAfter: "40s", timeouts })));
  });

  it("accepts an encrypted value of a key", () => {
    assert.ok(valid(withKey("control-plane-lb:kubeconfig", { secure: "v1:abc" })));
  });

  it("accepts an encrypted value inside an object", () => {
    const ssh = { ...dev().config["control-plane-lb:ssh"], privateKey: { secure: "v1:abc" } };
    assert.ok(valid(withKey("control-plane-lb:ssh", ssh)));
  });

  it("accepts keys of providers, and Pulumi's own", () => {
    assert.ok(valid({ ...withKey("kubernetes:context", "x"), encryptionsalt: "v1:abc" }));
  });

  for (const [what, key, value] of [
    ["an unknown key", "control-plane-lb:nodse", {}],
    ["an unknown key inside an object", "control-plane-lb:ports", { apii: 6443 }],
    ["an unknown key of a node", "control-plane-lb:nodes", { m1: { address: "10.0.0.1", x: 1 } }],
    ["a time without a unit", "control-plane-lb:haproxy", { timeouts: { idle: 86400000 } }],
    ["a port out of range", "control-plane-lb:ports", { api: 70000 }],
    ["a word that is no choice", "control-plane-lb:topology", "pods"],
    ["an image that is no reference", "control-plane-lb:haproxy", { image: "haproxy:3.0 new" }],
    ["a host key of an unknown type", "control-plane-lb:ssh", { hostKey: "ssh-dss AAAA" }],
    ["a user that begins with a dash", "control-plane-lb:ssh", { user: "-oProxyCommand=x" }],
    ["an interface with a space", "control-plane-lb:ownAddress", { interface: "eth0 x" }],
    ["a version without v", "control-plane-lb:kubeadm", { kubernetesVersion: "1.35.4" }],
    ["an empty path", "control-plane-lb:ssh", { privateKeyFile: "" }],
  ] as const) {
    it(`refuses ${what}`, () => assert.equal(valid(withKey(key, value)), false));
  }

  it("names only formats that validators know, and so checks CIDRs by pattern", () => {
    const text = read("config.schema.json");
    const formats = [...text.matchAll(/"format": "([^"]*)"/g)].map(([, format]) => format);
    assert.deepEqual([...new Set(formats)].sort(), ["ipv4", "ipv6"]);
    const allow = (cidr: string) => valid(withKey("control-plane-lb:allow", [cidr]));
    assert.deepEqual(["10.0.0.0/8", "fd00::/8", "10.0.0.0/33", "fd00::"].map(allow), [
      ...[true, true],
      ...[false, false],
    ]);
  });

  it("refuses a file without endpoint", () => {
    const { config } = dev();
    delete config["control-plane-lb:endpoint"];
    assert.equal(valid({ config }), false);
  });
});
