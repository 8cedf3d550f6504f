import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import type { Engine } from "../../pulumi-test-utils/src/index";
import { Bench } from "./support/bench";
import { inOrder } from "./support/journal";

describe("on the real engine, a node that is away for repair", function () {
  this.timeout(300_000);
  this.bail(true);
  let bench: Bench;
  let engine: Engine;

  before(async () => {
    bench = await Bench.start("m1", "m2", "m3");
    engine = await bench.engine(bench.config());
    await engine.up();
    bench.takeJournal();
    await bench.stopHost("m3");
    bench.api.pods.off.add("m3");
  });
  after(() => bench?.stop());

  it("holds up neither a new node nor a changed setting", async () => {
    await bench.addHost("m4");
    const m3 = bench.node("m3", 13, { away: true });
    const nodes = [bench.node("m1", 11), bench.node("m2", 12), m3, bench.node("m4", 14)];
    const allow = { value: ["10.0.0.0/24", "192.0.2.0/24"] };
    engine.setConfig(bench.config(nodes, { allow }));
    const former = bench.api.template();
    const { messages } = await engine.up();
    assert.match(messages.join("\n"), /m3 is away/);
    const journal = bench.takeJournal();
    assert.ok(!journal.some((line) => line.startsWith("m3 ")), journal.join("\n"));
    for (const name of ["m1", "m2", "m4"]) assert.ok(journal.includes(`${name} forward apply`));
    const template = bench.api.template();
    const pods = { m1: template, m2: template, m3: former, m4: template };
    assert.deepEqual(bench.api.pods.templates(), pods);
    assert.equal(bench.api.configMap("haproxy-backends")?.["m3"], "10.0.0.13:6443");
  });

  it("gets what it missed when it is back", async () => {
    await bench.addHost("m3");
    bench.api.pods.off.clear();
    const nodes = ["m1", "m2", "m3", "m4"].map((name, index) => bench.node(name, 11 + index));
    const allow = { value: ["10.0.0.0/24", "192.0.2.0/24"] };
    engine.setConfig(bench.config(nodes, { allow }));
    await engine.up();
    inOrder(bench.takeJournal(), "m3 m3 apply", "m3 forward apply", "m3 m3-bootstrap apply");
  });
});
