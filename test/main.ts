import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import type { SuiteResult } from "./reporter";
import { SUITES, type Suite } from "./suites";

const USAGE = `usage: npm test [-- SUITE...]
  Without a name all suites run that this machine can run. Suites: ${SUITES.map(({ name }) => name).join(", ")}
  exit code: 0 all passed, 1 not all, 2 unknown suite`;

const log = (line: string) => console.log(line);

/** Aborted by Ctrl-C: running suites end and clean up, and no other suite starts. */
const interruption = new AbortController();

/** Suites that run in parallel: each waits about half of its time. */
const PARALLEL = 2 * availableParallelism();

/**
 * Where a suite's output goes: straight to the terminal, or, with others in parallel, there when
 * the suite has ended.
 */
type Output = "inherit" | "pipe";

/** How a suite's process ended: its exit code, the signal that ended it, or its time limit. */
type Ending = number | NodeJS.Signals | "timeout";

/** Runs a suite's command in a process group of its own, which is killed at the time limit. */
function run(
  suite: Suite,
  output: Output,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Ending> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ["ignore", output, output],
      detached: true,
      env: { ...process.env, ...env },
    });
    const chunks: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (data: Buffer) => chunks.push(data));
    }
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
    }, suite.minutes * 60_000);
    const interrupt = () => endGroup("SIGINT");
    interruption.signal.addEventListener("abort", interrupt);
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      interruption.signal.removeEventListener("abort", interrupt);
      const end = () => {
        process.stdout.write(Buffer.concat(chunks.splice(0)));
        resolve(timedOut ? "timeout" : (code ?? signal ?? 1));
      };
      // a process that it left behind may hold the pipes open
      const timeout = setTimeout(end, 2000);
      child.once("close", () => {
        clearTimeout(timeout);
        end();
      });
    });
  });
}

/** Runs a mocha suite. A non-zero exit without a failed test is a failure too. */
async function runMocha(suite: Suite, output: Output): Promise<SuiteResult> {
  const folder = mkdtempSync(path.join(tmpdir(), "control-plane-lb-test-"));
  const resultFile = path.join(folder, "result.json");
  try {
    const code = await run(
      suite,
      output,
      process.execPath,
      [
        "--import=tsx",
        "node_modules/mocha/bin/mocha.js",
        "--reporter=test/reporter.ts",
        "--timeout=120000",
        "--exit",
        suite.files as string,
      ],
      { TEST_RESULT: resultFile },
    );
    const result = readResult(resultFile);
    if (result === undefined) {
      await suite.cleanUp?.(log);
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

/** Prepares a suite. Undefined: it can run. Otherwise its result. */
async function prepare(suite: Suite): Promise<SuiteResult | undefined> {
  const reason = suite.impossible?.();
  if (reason !== undefined) {
    return { passed: 0, failed: [], skipped: [`suite ${suite.name}: ${reason}`] };
  }
  try {
    await suite.prepare?.(log);
    return undefined;
  } catch (error) {
    const failed = [`${suite.name}: preparation failed: ${String(error)}`];
    return { passed: 0, failed, skipped: [] };
  }
}

async function runSuite(suite: Suite, output: Output): Promise<SuiteResult> {
  if (suite.command === undefined) return runMocha(suite, output);
  const [command, ...args] = suite.command;
  const code = await run(suite, output, `node_modules/.bin/${command}`, args);
  return code === 0
    ? { passed: 1, failed: [], skipped: [] }
    : { passed: 0, failed: [`${suite.name}: ended with ${code}`], skipped: [] };
}

async function runAndLog(suite: Suite, output: Output): Promise<SuiteResult> {
  const start = Date.now();
  log(`\n=== ${suite.name}${output === "pipe" ? " starts, in parallel with others" : ""}`);
  const result = await runSuite(suite, output);
  const seconds = Math.round((Date.now() - start) / 1000);
  log(`=== ${suite.name}: ${result.passed} passed, ${result.failed.length} failed, ${seconds} s`);
  return result;
}

/**
 * Prepares all suites first, so that no build disturbs a test; then runs the parallel suites, then
 * the exclusive ones.
 */
async function runAll(suites: readonly Suite[]): Promise<SuiteResult[]> {
  const results: SuiteResult[] = [];
  const ready: Suite[] = [];
  for (const suite of suites) {
    if (interruption.signal.aborted) return results;
    const result = await prepare(suite);
    if (result === undefined) ready.push(suite);
    else results.push(result);
  }
  const queue = ready.filter((suite) => suite.exclusive !== true);
  const output = queue.length > 1 ? "pipe" : "inherit";
  const work = async () => {
    while (!interruption.signal.aborted) {
      const suite = queue.shift();
      if (suite === undefined) return;
      results.push(await runAndLog(suite, output));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  for (const suite of ready.filter(({ exclusive }) => exclusive === true)) {
    if (!interruption.signal.aborted) results.push(await runAndLog(suite, "inherit"));
  }
  return results;
}

async function main(): Promise<number> {
  const names = process.argv.slice(2);
  if (names.includes("--help")) {
    log(USAGE);
    return 0;
  }
  const unknown = names.filter((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    console.error(`unknown suite: ${unknown.join(", ")}\n${USAGE}`);
    return 2;
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => interruption.abort());
  }
  const results = await runAll(
    SUITES.filter((suite) => names.length === 0 || names.includes(suite.name)),
  );
  for (const title of results.flatMap(({ skipped }) => skipped)) log(`skipped: ${title}`);
  const failed = results.flatMap((result) => result.failed);
  for (const title of failed) log(`failed: ${title}`);
  const total = results.reduce((sum, { passed }) => sum + passed, 0);
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
