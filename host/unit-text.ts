import { createHash } from "node:crypto";

/** Settings of one section of a unit; a list becomes one line per entry. */
export type UnitSection = Readonly<Record<string, string | number | readonly string[]>>;

/** The sections of a unit, in the order in which they are written. See systemd.unit(5). */
export interface UnitSections {
  readonly Unit?: UnitSection;
  readonly Service?: UnitSection;
  readonly Path?: UnitSection;
  readonly Timer?: UnitSection;
  readonly Install?: UnitSection;
}

/** `[Install]` of all units of ours: they start at boot. */
export const AT_BOOT: UnitSection = { WantedBy: "multi-user.target" };

/** Environment variable with the digest of what a process was started with. */
export const DIGEST_VARIABLE = "CONTROL_PLANE_LB_DIGEST";

/** The text of a unit. */
export function unitText(sections: UnitSections): string {
  return Object.entries(sections)
    .map(([name, settings]) => [`[${name}]`, ...lines(settings as UnitSection), ""].join("\n"))
    .join("\n");
}

/**
 * The text of a service's unit, with a digest of itself and of what it runs in its environment: a
 * process shows whether it is current.
 * @param runs texts of the programs and files that the service reads at its start; a changed text
 *   restarts it
 */
export function serviceText(
  sections: UnitSections & { readonly Service: UnitSection },
  runs: readonly string[],
): string {
  const text = (digest: string) =>
    unitText({
      ...sections,
      Service: { Environment: `${DIGEST_VARIABLE}=${digest}`, ...sections.Service },
    });
  const hash = createHash("sha256").update(text(""));
  for (const read of runs) hash.update(read);
  return text(hash.digest("hex"));
}

/** The digest that a unit's text carries, if any. */
export function digestIn(text: string): string | undefined {
  return new RegExp(`^Environment=${DIGEST_VARIABLE}=([0-9a-f]{64})$`, "m").exec(text)?.[1];
}

function lines(settings: UnitSection): string[] {
  return Object.entries(settings).flatMap(([key, value]) =>
    (Array.isArray(value) ? (value as readonly string[]) : [String(value)]).map(
      (each) => `${key}=${each}`,
    ),
  );
}
