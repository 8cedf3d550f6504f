import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { BINARIES, Rig } from "./support/rig";
import { waitFor } from "./support/wait";

/** Set TEST_SEED to repeat a run. */
const SEED = Number(process.env["TEST_SEED"] ?? Date.now() % 1_000_000);
/** Edits per version; each takes about 0.17 s. */
const EDITS = { "2.6": 100, "3.0": 200 } as const;

/** An entry of the ConfigMap, valid or not by construction, not by the code under test. */
interface Entry {
  readonly key: string;
  readonly value: string;
  readonly valid: boolean;
}
type Edit = readonly Entry[] | "deleted";

const entry = (valid: boolean, key: fc.Arbitrary<string>, value: fc.Arbitrary<string>) =>
  fc.record({ key, value, valid: fc.constant(valid) });

/** Addresses without a host (documentation ranges); few, so that duplicates occur. */
const nowhere = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.constantFrom(6443, 7443))
  .chain(([host, port]) =>
    fc.constantFrom(`192.0.2.${host}:${port}`, `[2001:db8::${host}]:${port}`),
  );
const malformed = fc.oneof(
  fc.constantFrom(
    ...["", " ", "m1", "192.0.2.1", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:06443"],
    ...["192.0.2.256:6443", "192.0.2.01:6443", "127.0.0.1:6443", "0.0.0.0:6443", "224.0.0.1:6443"],
    ...["2001:db8::1:6443", "[::1]:6443", "[fe80::1]:6443", "[2001:db8::1%eth0]:6443"],
    ...["[::ffff:192.0.2.1]:6443", "https://192.0.2.1:6443", "api.example:6443", "192.0.2.1:6443 "],
    ...["192.0.2.1:6443\n  server evil 192.0.2.66:1", "192.0.2.1:6443;shutdown sessions", "${X}:1"],
  ),
  // Without a digit it is not an address.
  fc.string({ maxLength: 100, unit: "binary" }).map((text) => text.replace(/\d/g, "")),
);
const goodKey = fc.constantFrom("a", "x1", "x2", "x3.example", "x-4");
const badKey = fc.constantFrom("UP", "_x", "x_1", "-x", "x.", "x".repeat(64));

/** At most 4 without a host beside 3 real ones: within the 8 slots. */
const others = fc.uniqueArray(
  fc.oneof(
    { weight: 3, arbitrary: entry(true, goodKey, nowhere) },
    { weight: 2, arbitrary: entry(false, goodKey, malformed) },
    { weight: 1, arbitrary: entry(false, badKey, nowhere) },
  ),
  { selector: ({ key }) => key, maxLength: 4 },
);

describe(`random edits of the ConfigMap (TEST_SEED=${SEED})`, function () {
  this.timeout(300_000);

  for (const binary of BINARIES) {
    const count = EDITS[binary.version];
    it(`${count} in a row apply the valid entries without a reload or a failed connection: HAProxy ${binary.version}`, async () => {
      const rig = await Rig.create(binary);
      try {
        for (const name of ["m1", "m2", "m3"]) await rig.addServer(name);
        await rig.startAll("m1", "m2", "m3");
        await waitFor("the live ones", async () => (await rig.live()).length === 3);
        const { pid } = await rig.runtime.snapshot();
        const load = rig.load();
        await fc.assert(
          fc.asyncProperty(fc.array(edit(rig), { minLength: count, maxLength: count }), (edits) =>
            follow(rig, edits),
          ),
          { seed: SEED, numRuns: 1, endOnFailure: true },
        );
        await load.stop();
        assert.deepEqual(load.failures, []);
        assert.ok(load.answers.length > count / 4, `${load.answers.length} connections`);
        assert.deepEqual(await rig.master.workers(), [pid]);
        assert.equal(await rig.metric("reloads_total"), 0);
        assert.equal(rig.checkConfig().code, 0);
        const config = readFileSync(rig.settings.configFile, "utf8");
        assert.doesNotMatch(config, /evil/);
        console.log(
          `      ${count} edits, ${await rig.metric("applies_total")} applied, ` +
            `${load.answers.length} connections, none failed`,
        );
      } catch (error) {
        console.error(rig.log("updater").slice(-4000));
        throw error;
      } finally {
        await rig.stop();
      }
    });
  }
});

/** Either m1 is valid, so that a server answers, or no entry is. */
function edit(rig: Rig): fc.Arbitrary<Edit> {
  const real = (key: string): Entry => ({ key, value: rig.server(key).address, valid: true });
  const twice = (key: string): Entry => ({ ...real("m1"), key });
  const some = fc
    .tuple(fc.subarray([real("m2"), real("m3")]), others, fc.subarray([twice("z")]))
    .map((groups) => [real("m1"), ...groups.flat()]);
  const none = others.map((entries) => entries.filter(({ valid }) => !valid));
  return fc.oneof(
    { weight: 8, arbitrary: some },
    { weight: 1, arbitrary: none },
    { weight: 1, arbitrary: fc.constant("deleted" as const) },
  );
}

/** The valid entries, with the first key of each address. */
function validSubset(edit: Edit): string[] {
  if (edit === "deleted") return [];
  return [...new Set(edit.filter(({ valid }) => valid).map(({ value }) => value))].sort();
}

async function follow(rig: Rig, edits: readonly Edit[]): Promise<void> {
  let desired = await rig.live();
  for (const [index, edit] of edits.entries()) {
    const data =
      edit === "deleted" ? null : Object.fromEntries(edit.map(({ key, value }) => [key, value]));
    await rig.setConfigMap(data);
    const subset = validSubset(edit);
    if (subset.length > 0) desired = subset;
    // An edit without a valid entry changes nothing: the next edit shows that it is over.
    await waitFor(`edit ${index}: ${JSON.stringify(data)}`, async () => {
      const live = await rig.live();
      assert.ok(live.length > 0, "HAProxy has no server");
      assert.deepEqual(live, desired);
      return true;
    });
  }
}
