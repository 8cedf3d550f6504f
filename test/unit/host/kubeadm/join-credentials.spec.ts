import assert from "node:assert/strict";
import { readJoinCredentials } from "../../../../host/kubeadm/join-credentials";
import { DEFAULT_ADVICE } from "../../../../host/kubeadm/kubeadm-advice";
import { KEY, joinCredentialsLine, TOKEN } from "./example";

const advice = { ...DEFAULT_ADVICE, joinCredentials: "ask m1", excludeNode: "leave it out" };

const read = (...lines: string[]) => readJoinCredentials(lines, advice);

describe("join credentials", () => {
  it("are read from the line of a control-plane node", () => {
    assert.deepEqual(read(`${joinCredentialsLine()}\n`), {
      credentials: [
        {
          token: TOKEN,
          caCertHashes: [`sha256:${"a".repeat(64)}`],
          certificateKey: KEY,
          caCert: Buffer.from("-----BEGIN CERTIFICATE-----\n").toString("base64"),
        },
      ],
    });
  });

  it("are none where no other node has a cluster", () => {
    assert.deepEqual(read("absent 1700000000\n"), {
      credentials: [],
      absentSince: 1_700_000_000,
    });
  });

  it("are none since the oldest answer, and since ever where one has no time", () => {
    assert.deepEqual(read("absent 1700000300", "absent 1700000000"), {
      credentials: [],
      absentSince: 1_700_000_000,
    });
    assert.deepEqual(read("absent 1700000000", ""), { credentials: [], absentSince: 0 });
  });

  for (const [name, line] of Object.entries({
    "of another kind": "credentials are sold out",
    "with a token that could break out of sed": joinCredentialsLine({
      token: "abcdef.0123456789abcde|",
    }),
    "without a certificate key": joinCredentialsLine({ certificateKey: undefined }),
  })) {
    it(`are refused with the advice for a line ${name}`, () => {
      const result = read(line);
      assert.ok("error" in result);
      assert.match(result.error, /cannot be read; nothing was changed.*: ask m1$/);
    });
  }

  it("are refused with the advice when they are of two clusters", () => {
    const caCert = Buffer.from("-----BEGIN OTHER\n").toString("base64");
    const result = read(joinCredentialsLine(), joinCredentialsLine({ caCert }));
    assert.ok("error" in result);
    assert.match(result.error, /different clusters.*nothing was changed.*: leave it out$/);
  });
});
