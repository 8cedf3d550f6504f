import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { shareText } from "../../../../host/user-data/share-text";

const together = ({ blocks, texts }: ReturnType<typeof shareText>): string[] =>
  texts.map((pieces) =>
    pieces.map((each) => (typeof each === "number" ? blocks[each] : each)).join(""),
  );

const shellFunction = (name: string) => `${name}() {\n${"  : a line of it\n".repeat(20)}}\n`;

describe("shareText", () => {
  it("takes functions out that several scripts have", () => {
    const [first, second] = [shellFunction("first"), shellFunction("second")];
    const shared = shareText([`${first}${second}one\n`, `two\n${first}${second}`, "three\n"]);
    assert.deepEqual(shared.blocks, [first + second]);
    assert.deepEqual(shared.texts, [[0, "one\n"], ["two\n", 0], ["three\n"]]);
  });

  it("leaves short ones to gzip", () => {
    assert.deepEqual(shareText(["a() {\n}\n", "a() {\n}\n"]).blocks, []);
  });

  it("loses and adds nothing", () => {
    const piece = fc.oneof(
      fc.constantFrom("a", "b", "c").map(shellFunction),
      fc.constantFrom("}\n", "}\n}\n", "\n", "x }\n", "END\n"),
      fc.string().map((text) => `${text}\n`),
    );
    const script = fc.array(piece).map((pieces) => pieces.join(""));
    fc.assert(
      fc.property(fc.array(script), (scripts) => {
        assert.deepEqual(together(shareText(scripts)), scripts);
      }),
    );
  });
});
