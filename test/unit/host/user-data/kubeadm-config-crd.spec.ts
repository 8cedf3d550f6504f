import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { before, describe, it } from "mocha";
import { parse } from "yaml";
import { kubeadmConfigSpecFragment } from "../../../../host/user-data/kubeadm-config-spec";
import { BOOTS } from "./example-boots";

/** The release whose published types are the measure. */
const MODULE = "sigs.k8s.io/cluster-api@v1.14.2";

const CRD = "bootstrap/kubeadm/config/crd/bases/bootstrap.cluster.x-k8s.io_kubeadmconfigs.yaml";

/** The part of OpenAPI that these types use. */
interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly maxLength?: number;
  readonly minLength?: number;
  readonly maxItems?: number;
  readonly minItems?: number;
}

interface Crd {
  readonly spec: {
    readonly versions: readonly {
      readonly name: string;
      readonly schema: { readonly openAPIV3Schema: Schema };
    }[];
  };
}

/** What a strict API server would refuse, by path. */
function refusals(value: unknown, schema: Schema | undefined, at: string): string[] {
  if (schema === undefined) return [`${at}: unknown field`];
  const { type, properties = {}, required = [], items } = schema;
  const actual = Array.isArray(value) ? "array" : typeof value;
  if (actual !== type) return [`${at}: ${actual}, expected ${type}`];
  const size = Array.isArray(value) || typeof value === "string" ? value.length : 0;
  const isList = Array.isArray(value);
  const [least = 0, most = Infinity] = isList
    ? [schema.minItems, schema.maxItems]
    : [schema.minLength, schema.maxLength];
  const own = [
    ...(size < least || size > most ? [`${at}: length ${size}, expected ${least} to ${most}`] : []),
    ...(schema.enum?.includes(value) === false ? [`${at}: ${String(value)} is not allowed`] : []),
  ];
  if (isList) return [...own, ...value.flatMap((each, i) => refusals(each, items, `${at}[${i}]`))];
  if (actual !== "object") return own;
  const fields = value as Record<string, unknown>;
  return [
    ...own,
    ...required.filter((key) => !(key in fields)).map((key) => `${at}.${key}: missing`),
    ...Object.keys(fields).flatMap((key) => refusals(fields[key], properties[key], `${at}.${key}`)),
  ];
}

describe(`KubeadmConfigSpec of ${MODULE}`, function () {
  this.timeout(120_000);
  const specs = new Map<string, Schema | undefined>();
  before(function () {
    const { status, stdout, stderr } = spawnSync("go", ["mod", "download", "-json", MODULE], {
      cwd: tmpdir(),
      encoding: "utf8",
      timeout: 110_000,
    });
    if (status !== 0) {
      console.error(`SKIPPED: ${MODULE} cannot be had: ${stderr ?? ""}${stdout ?? ""}`);
      this.skip();
    }
    const { Dir } = JSON.parse(stdout) as { Dir: string };
    const crd = parse(readFileSync(path.join(Dir, CRD), "utf8")) as Crd;
    for (const { name, schema } of crd.spec.versions) {
      specs.set(name, schema.openAPIV3Schema.properties?.["spec"]);
    }
  });

  for (const version of ["v1beta1", "v1beta2"]) {
    for (const [what, boot] of Object.entries(BOOTS)) {
      it(`takes the first boot of a ${what} in ${version}`, () => {
        const fragment = kubeadmConfigSpecFragment(boot, "boot");
        assert.deepEqual(refusals(fragment, specs.get(version), "spec"), []);
      });
    }

    it(`refuses an unknown field and a long content in ${version}`, () => {
      const files = [
        { path: "/a", mode: "0600" },
        { path: "/b", content: "x".repeat(10_241) },
      ];
      assert.deepEqual(refusals({ files }, specs.get(version), "spec"), [
        "spec.files[0].mode: unknown field",
        "spec.files[1].content: length 10241, expected 1 to 10240",
      ]);
    });
  }
});
