import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { parseAllDocuments } from "yaml";
import { toYaml, type Manifest } from "../../../objects/manifest";

const withData = (data: Record<string, string>): Manifest => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "example" },
  data,
});

/** As Kubernetes reads it: its parser takes YAML 1.1. */
function read(yaml: string): unknown[] {
  return parseAllDocuments(yaml, { version: "1.1" }).map((document) => {
    assert.deepEqual(document.errors, []);
    return document.toJS() as unknown;
  });
}

describe("manifests as YAML", () => {
  it("are a document each, in their order", () => {
    const manifests = ["a", "b", "c"].map((key) => withData({ key }));
    assert.deepEqual(read(toYaml(manifests)), manifests);
  });

  for (const text of ["on", "yes", "0644", "1:30", "2001-01-01", "null", "~", "1_000", "0x1f"]) {
    it(`keep the text ${text} a text for a reader of YAML 1.1`, () => {
      const manifests = [withData({ [text]: text })];
      assert.deepEqual(read(toYaml(manifests)), manifests);
    });
  }

  it("keep any text", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("---\nkind: Pod\n", "...\n", "{{ x }}", "a\r\nb", " x \n\n", "\t\n"),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.string({ minLength: 1 }), text), (data) => {
        fc.pre(!Object.hasOwn(data, "__proto__"));
        const manifests = [withData(data), withData({ last: "x" })];
        assert.deepEqual(read(toYaml(manifests)), JSON.parse(JSON.stringify(manifests)));
      }),
    );
  });

  it("have no anchors, which would tie two objects together", () => {
    const labels = { app: "x" };
    const both = { ...withData({}), spec: { a: labels, b: labels } };
    assert.doesNotMatch(toYaml([both]), /[&*]/);
  });
});
