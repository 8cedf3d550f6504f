import assert from "node:assert/strict";
import { warningsIn } from "../../../../e2e/scenario/etcd-warnings";

const LOG = [
  '2026-11-29T14:02:40.1Z stderr F {"level":"warn","ts":"2026-11-29T14:02:40.100000Z","msg":"before"}',
  '2026-11-29T14:02:44.2Z stderr F {"level":"warn","ts":"2026-11-29T14:02:44.200000Z","caller":"wal/wal.go:842","msg":"slow fdatasync","took":"4.1s","expected-duration":"1s"}',
  '2026-11-29T14:02:50.1Z stderr F {"level":"warn","ts":"2026-11-29T14:02:50.100000Z","msg":"after"}',
  "no JSON",
].join("\n");

describe("warnings of etcd", () => {
  it("are those of the period, with how long what took", () => {
    const from = Date.parse("2026-11-29T14:02:43Z");
    assert.deepEqual(warningsIn(LOG, { from, to: from + 5000 }), [
      "14:02:44.200 msg=slow fdatasync took=4.1s expected-duration=1s",
    ]);
  });
});
