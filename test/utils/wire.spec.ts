import assert from "node:assert/strict";
import * as rpc from "@pulumi/pulumi/runtime/rpc";
import { Crypter } from "../../pulumi-test-utils/src/engine/crypter";
import { secretTexts } from "../../pulumi-test-utils/src/engine/settings";
import { NestedSecret } from "../../pulumi-test-utils/src/index";
import { goQuote } from "../../pulumi-test-utils/src/plugins/command/go-text";
import * as wire from "../../pulumi-test-utils/src/wire";

describe("values on the wire", () => {
  it("uses the marks of the SDK", () => {
    assert.equal(wire.UNKNOWN, rpc.unknownValue);
    assert.equal(wire.SECRET_SIGNATURE, rpc.specialSecretSig);
    assert.deepEqual(rpc.unwrapRpcSecret(wire.secretValue("x")), "x");
  });

  it("unwraps secrets at any depth and returns their paths", () => {
    const value = { a: [wire.secretValue({ b: "x" })], c: { "d.e": wire.secretValue(1) }, f: null };
    assert.deepEqual(wire.unwrap(value), {
      value: { a: [{ b: "x" }], c: { "d.e": 1 }, f: null },
      secretPaths: ["a[0]", "c.d.e"],
    });
  });

  it("compares independent of the order of keys", () => {
    assert.ok(wire.equal({ a: 1, b: [{ c: 2, d: 3 }] }, { b: [{ d: 3, c: 2 }], a: 1 }));
    assert.ok(!wire.equal({ a: undefined }, { b: undefined }));
    assert.ok(!wire.equal([1, 2], [2, 1]));
  });
});

describe("texts as Go writes them", () => {
  it("quotes like %q", () => {
    assert.equal(goQuote('a "b"\n\t\\ \u0001 ü'), '"a \\"b\\"\\n\\t\\\\ \\x01 ü"');
  });
});

describe("encrypted configuration", () => {
  it("opens with its passphrase only", () => {
    const crypter = Crypter.create("right");
    const again = Crypter.open("right", crypter.salt);
    assert.equal(again.decrypt(crypter.encrypt("text ü")), "text ü");
    assert.throws(() => Crypter.open("wrong", crypter.salt), /passphrase does not fit/);
  });

  it("lists every text that messages must not show", () => {
    const texts = secretTexts({
      plain: "visible-text",
      whole: { value: { key: "inside-a-secret" }, secret: true },
      part: { value: { deep: [new NestedSecret("nested-secret")], other: "visible-too" } },
    });
    assert.deepEqual(texts, ["inside-a-secret", "nested-secret"]);
  });
});
