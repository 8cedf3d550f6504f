import { READY_SECONDS, STEP_SECONDS, type HostPart } from "../part";
import type { BootStep } from "./first-boot";

/** Seconds for a package manager: a mirror may be slow, another run may hold its lock. */
const PACKAGES_SECONDS = 600;

/** Default deadline of a step that is a script, in seconds. */
const SCRIPT_SECONDS = 600;

/** Seconds after which a step has failed. */
export function stepDeadline({ part, deadlineSeconds }: BootStep): number {
  if (deadlineSeconds !== undefined) return deadlineSeconds;
  return part === undefined ? SCRIPT_SECONDS : partDeadline(part);
}

function partDeadline(part: HostPart): number {
  const { packages = [], units = [], stepSeconds = STEP_SECONDS } = part;
  const ready = units.map(({ deadlineSeconds = READY_SECONDS }) => deadlineSeconds);
  const install = packages.length > 0 ? PACKAGES_SECONDS : 0;
  return ready.reduce((sum, seconds) => sum + seconds, stepSeconds + install);
}
