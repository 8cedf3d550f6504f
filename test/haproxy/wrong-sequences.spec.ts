/**
 * Random sequences of changes, right and wrong, under load. `SEQUENCES=50` runs so many, `SEED=7`
 * begins with that seed: each sequence prints its own.
 */
import assert from "node:assert/strict";
import { Drama } from "./support/drama";
import { BINARIES } from "./support/rig";
import { assertRecovered } from "./support/wait";

const COUNT = Number(process.env["SEQUENCES"] ?? 4);
const FIRST_SEED = Number(process.env["SEED"] ?? 1);

describe("random sequences of ConfigMaps and CA certificates, right and wrong, under load", function () {
  this.timeout(300_000);

  for (let seed = FIRST_SEED; seed < FIRST_SEED + COUNT; seed++) {
    const binary = BINARIES[seed % BINARIES.length];
    it(`lose no new connection, and recover: seed ${seed}`, async function () {
      assert.ok(binary !== undefined, "no HAProxy");
      const drama = await Drama.begin(binary, seed);
      try {
        const { connections, failures, recoveriesMs } = await drama.play();
        const slowest = Math.round(Math.max(...recoveriesMs));
        console.log(
          `      seed ${seed}, HAProxy ${binary.version}: ${connections} connections, ${failures.length} failed, ` +
            `slowest of ${recoveriesMs.length} recoveries ${slowest} ms`,
        );
        assert.deepEqual(failures, [], drama.script);
        assertRecovered(slowest, drama.script);
      } catch (error) {
        console.error(drama.script);
        throw error;
      } finally {
        await drama.end(this.test);
      }
    });
  }
});
