import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { renderReport, type DemoReport } from "./report";
import type { Topology } from "../../stacks/schema";
import { runDemo } from "./run";
import type { Bootstrap } from "./stage";
import { renderTimeline } from "./timeline";

// The demo's own process, see superviseDemo. Arguments: LAB MACHINES TOPOLOGY BOOTSTRAP

const REPORTS = path.resolve(__dirname, "../../reports");

const log = (line: string) => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);

async function main([
  name = "dev",
  machines = "3",
  topology = "daemonset",
  bootstrap = "ssh",
]: string[]): Promise<number> {
  const interruption = new AbortController();
  process.on("disconnect", () => interruption.abort(new Error("interrupted")));
  const { signal } = interruption;
  const report = await runDemo({
    name,
    machines: Number(machines),
    topology: topology as Topology,
    bootstrap: bootstrap as Bootstrap,
    signal,
    log,
  });
  write(report);
  return report.passed ? 0 : 1;
}

function write(report: DemoReport): void {
  mkdirSync(REPORTS, { recursive: true });
  const json = `${JSON.stringify(report, undefined, 2)}\n`;
  writeFileSync(path.join(REPORTS, "demo-report.json"), json);
  writeFileSync(path.join(REPORTS, "demo-timeline.svg"), renderTimeline(report));
  console.log(`\n${renderReport(report)}`);
  console.log("written: reports/demo-report.json, reports/demo-timeline.svg");
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? (error.stack ?? error.message) : error);
    process.exit(1);
  },
);
