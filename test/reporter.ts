import { writeFileSync } from "node:fs";
import Mocha from "mocha";

/** What one mocha process tells test/main.ts: counts, and the full titles of failures and of skipped tests. */
export interface SuiteResult {
  readonly passed: number;
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
}

/** The spec reporter; in addition the result goes to the file that TEST_RESULT names. */
export default class ResultReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const failed: string[] = [];
    const skipped: string[] = [];
    let passed = 0;
    runner.on("pass", () => (passed += 1));
    runner.on("fail", (test) => failed.push(test.fullTitle()));
    // also a test that passes at its second try has something to say
    runner.on("retry", (test: Mocha.Test, error: Error) => {
      console.log(`    tried again: ${test.fullTitle()}: ${error.message.slice(0, 2000)}`);
    });
    runner.on("pending", (test) => skipped.push(test.fullTitle()));
    runner.once("end", () => {
      const file = process.env.TEST_RESULT;
      const result: SuiteResult = { passed, failed, skipped };
      if (file !== undefined) writeFileSync(file, JSON.stringify(result));
    });
  }
}
