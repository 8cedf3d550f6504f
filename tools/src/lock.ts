import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { Log } from "./log";

/**
 * Runs `action` while holding an exclusive lock on `file`, across processes.
 *
 * flock(1) holds the lock and ends when its stdin closes, so the lock is free as soon as this
 * process is gone.
 */
export async function withLock<T>(
  file: string,
  log: Log,
  purpose: string,
  action: () => Promise<T>,
): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  const holder = spawn("flock", [file, "sh", "-c", "echo locked; cat >/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
    detached: true, // Ctrl-C must not free the lock before the clean-up
  });
  const waiting = setTimeout(
    () => log(`${purpose}: another process holds the lock ${file}, waiting`),
    2000,
  );
  try {
    await new Promise<void>((resolve, reject) => {
      holder.once("error", reject);
      holder.stdout.once("data", () => resolve());
      holder.once("exit", (code) => reject(new Error(`flock ${file}: exit code ${code}`)));
    });
  } finally {
    clearTimeout(waiting);
  }
  try {
    return await action();
  } finally {
    const gone = new Promise((resolve) => holder.once("exit", resolve));
    holder.stdin.end();
    await gone;
  }
}
