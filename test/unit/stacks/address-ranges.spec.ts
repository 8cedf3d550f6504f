import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { readRange } from "../../../stacks/address-ranges";

describe("a range of addresses", () => {
  for (const [text, addresses] of [
    ["10.0.0.11", ["10.0.0.11"]],
    ["10.0.0.254-10.0.1.1", ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"]],
    ["10.0.0.8/30", ["10.0.0.9", "10.0.0.10"]],
    ["10.0.0.9/30", ["10.0.0.9", "10.0.0.10"]],
    ["10.0.0.8/31", ["10.0.0.8", "10.0.0.9"]],
    ["10.0.0.8/32", ["10.0.0.8"]],
    ["223.255.255.254", ["223.255.255.254"]],
    ["fd00::fffe-fd00::1:0", ["fd00::fffe", "fd00::ffff", "fd00::1:0"]],
    ["FD00:0::10/127", ["fd00::10", "fd00::11"]],
    ["fd00:1:2:3:4:5:6:7", ["fd00:1:2:3:4:5:6:7"]],
  ] as const) {
    it(`${text} is ${addresses.join(", ")}`, () => {
      assert.deepEqual(readRange(text, 16), { addresses });
    });
  }

  for (const [text, problem] of [
    ["", /^an address, a range/],
    ["m1.example", /^an address, a range/],
    ["10.0.0.1-10.0.0.2-10.0.0.3", /^an address, a range/],
    ["10.0.0.1/33", /^an address, a range/],
    ["10.0.0.1/", /^an address, a range/],
    ["10.0.0.1-", /^an address, a range/],
    ["10.0.0.1-fd00::1", /one family/],
    ["10.0.0.9-10.0.0.1", /the lower address first/],
    ["10.0.0.1-10.0.0.17", /^at most 16 addresses$/],
    ["fd00::/64", /^at most 16 addresses$/],
    ["127.0.0.1", /127\.0\.0\.1 is none/],
    ["223.255.255.255-224.0.0.0", /224\.0\.0\.0 is none/],
  ] as const) {
    it(`"${text}" is refused`, () => {
      const range = readRange(text, 16);
      assert.ok("problem" in range, JSON.stringify(range));
      assert.match(range.problem, problem);
    });
  }

  it("may have as many addresses as allowed", () => {
    const range = readRange("10.0.0.1-10.0.0.16", 16);
    assert.ok("addresses" in range);
    assert.equal(range.addresses.length, 16);
  });
});
