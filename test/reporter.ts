import { writeFileSync } from "node:fs";
import Mocha from "mocha";

/** The result of one mocha process: counts, and the full titles of failed and skipped tests. */
export interface SuiteResult {
  readonly passed: number;
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
}

/** The spec reporter, which also writes the result to the file named by TEST_RESULT. */
export default class ResultReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const failed: string[] = [];
    const skipped: string[] = [];
    let passed = 0;
    runner.on("pass", () => (passed += 1));
    runner.on("fail", (test) => failed.push(test.fullTitle()));
    runner.on("pending", (test) => skipped.push(test.fullTitle()));
    runner.once("end", () => {
      const file = process.env.TEST_RESULT;
      const result: SuiteResult = { passed, failed, skipped };
      if (file !== undefined) writeFileSync(file, JSON.stringify(result));
    });
  }
}
