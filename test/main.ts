import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { SuiteResult } from "./reporter";
import { SUITES, type Suite } from "./suites";

// usage: npm test [-- SUITE...]; no name runs all suites that this machine can run

const log = (line: string) => console.log(line);

/** Runs a command in a process group of its own; resolves with its exit code, or "timeout" after it was killed. */
function run(
  command: string,
  args: readonly string[],
  minutes: number,
  env: NodeJS.ProcessEnv = {},
): Promise<number | "timeout"> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ["ignore", "inherit", "inherit"],
      detached: true,
      env: { ...process.env, ...env },
    });
    const endGroup = (signal: NodeJS.Signals) => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, signal);
      } catch {
        // the group has ended already
      }
    };
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      endGroup("SIGKILL");
    }, minutes * 60_000);
    const interrupt = () => endGroup("SIGINT");
    process.once("SIGINT", interrupt);
    process.once("SIGTERM", interrupt);
    child.once("error", reject);
    child.once("exit", (code) => {
      clearTimeout(timer);
      process.off("SIGINT", interrupt);
      process.off("SIGTERM", interrupt);
      resolve(timedOut ? "timeout" : (code ?? 1));
    });
  });
}

/** Runs one mocha suite; a process that ends badly without a failed test is a failure of its own. */
async function runMocha(suite: Suite): Promise<SuiteResult> {
  const folder = mkdtempSync(path.join(tmpdir(), "control-plane-lb-test-"));
  const resultFile = path.join(folder, "result.json");
  try {
    const code = await run(
      process.execPath,
      [
        "--import=tsx",
        "node_modules/mocha/bin/mocha.js",
        "--reporter=test/reporter.ts",
        "--timeout=120000",
        "--exit",
        suite.files as string,
      ],
      suite.minutes,
      { TEST_RESULT: resultFile },
    );
    const result = readResult(resultFile);
    if (result === undefined) {
      return { passed: 0, failed: [`${suite.name}: no result (${code})`], skipped: [] };
    }
    if (code !== 0 && result.failed.length === 0) {
      return { ...result, failed: [`${suite.name}: mocha ended with ${code}`] };
    }
    return result;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readResult(file: string): SuiteResult | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as SuiteResult;
  } catch {
    return undefined;
  }
}

async function runSuite(suite: Suite): Promise<SuiteResult> {
  const reason = suite.impossible?.();
  if (reason !== undefined) {
    return { passed: 0, failed: [], skipped: [`suite ${suite.name}: ${reason}`] };
  }
  try {
    await suite.prepare?.(log);
  } catch (error) {
    return {
      passed: 0,
      failed: [`${suite.name}: preparation failed: ${String(error)}`],
      skipped: [],
    };
  }
  if (suite.command === undefined) return runMocha(suite);
  const [command, ...args] = suite.command;
  const code = await run(`node_modules/.bin/${command}`, args, suite.minutes);
  return code === 0
    ? { passed: 1, failed: [], skipped: [] }
    : { passed: 0, failed: [`${suite.name}: ended with ${code}`], skipped: [] };
}

async function main(): Promise<number> {
  const names = process.argv.slice(2);
  const unknown = names.filter((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    const known = SUITES.map((suite) => suite.name).join(", ");
    console.error(`unknown suite: ${unknown.join(", ")}; there are: ${known}`);
    return 2;
  }
  const passed: number[] = [];
  const failed: string[] = [];
  const skipped: string[] = [];
  for (const suite of SUITES) {
    if (names.length > 0 && !names.includes(suite.name)) continue;
    const start = Date.now();
    log(`\n=== ${suite.name}`);
    const result = await runSuite(suite);
    passed.push(result.passed);
    failed.push(...result.failed);
    skipped.push(...result.skipped);
    const seconds = Math.round((Date.now() - start) / 1000);
    log(`=== ${suite.name}: ${result.passed} passed, ${result.failed.length} failed, ${seconds} s`);
  }
  for (const title of skipped) log(`skipped: ${title}`);
  for (const title of failed) log(`failed: ${title}`);
  const total = passed.reduce((sum, count) => sum + count, 0);
  log(`\n${total} passed, ${failed.length} failed`);
  return failed.length === 0 && total > 0 ? 0 : 1;
}

void main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
