import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { missingRoot } from "../../../haproxy/ca";
import {
  makeCertificates,
  makeIntermediateCa,
  type IntermediateCa,
} from "../../haproxy/support/certificates";

describe("missingRoot", function () {
  this.timeout(30_000);
  let folder: string;
  let root: string;
  let chain: IntermediateCa;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "ca-"));
    root = readFileSync(makeCertificates(folder).caFile, "utf8");
    chain = makeIntermediateCa(folder);
  });
  after(() => rmSync(folder, { recursive: true }));

  it("accepts a root, several roots, and a whole chain in any order", () => {
    for (const pem of [
      root,
      `${root}${chain.root}`,
      `${chain.intermediate}${chain.root}`,
      `${chain.root}\n# a comment\n${chain.intermediate}`,
    ]) {
      assert.equal(missingRoot(pem), undefined);
    }
  });

  it("names an intermediate without its root, also beside another root, and what to append", () => {
    for (const pem of [chain.intermediate, `${root}${chain.intermediate}`]) {
      assert.match(
        missingRoot(pem) ?? "",
        /"CN=test-intermediate" is signed by "CN=test-root", which is not there.*Append the root/,
      );
    }
  });

  it("leaves a text without a readable certificate to other checks", () => {
    const broken = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    for (const pem of ["", "nonsense", broken]) assert.equal(missingRoot(pem), undefined);
  });
});
