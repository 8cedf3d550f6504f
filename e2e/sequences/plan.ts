/** What an operator does to the ConfigMap in one sequence. Pure. */
import { mixed, wrongContent, type Content, type Surroundings } from "./contents";
import { Random } from "./random";

/** One change, and for how long it stays. */
export interface Step {
  readonly title: string;
  /** Null: the ConfigMap is deleted. */
  readonly data: Content | null;
  readonly holdSeconds: number;
}

/** Changes of one sequence before the right content. */
const MAX_STEPS = 4;

/** Some end before an updater has seen the change, some after HAProxy has settled. */
const HOLDS = [0, 0.5, 1, 2, 5] as const;

/** Rarely one stays for longer than a watch on a server that an updater has given up. */
const LONG_HOLD = 75;
const LONG_HOLD_SHARE = 0.02;

/** The steps of a seed, at least one; the right content follows them. */
export function planSteps(seed: number, surroundings: Surroundings): Step[] {
  const random = new Random(seed);
  const count = 1 + random.below(MAX_STEPS);
  return Array.from({ length: count }, () => {
    const { title, data } = anyContent(random, surroundings);
    const holdSeconds = random.fraction() < LONG_HOLD_SHARE ? LONG_HOLD : random.pick(HOLDS);
    return { title, data, holdSeconds };
  });
}

function anyContent(
  random: Random,
  surroundings: Surroundings,
): { title: string; data: Content | null } {
  const { right } = surroundings;
  const wrong = wrongContent(random, surroundings);
  const names = random.some(Object.keys(right));
  const some = Object.fromEntries(names.map((name) => [name, right[name] as string]));
  return random.pick([
    wrong,
    // twice as likely as the others
    wrong,
    { title: `${names.join(" ")} and ${wrong.title}`, data: mixed(some, wrong.data, right) },
    { title: names.join(" "), data: some },
    { title: "emptied", data: {} },
    { title: "deleted", data: null },
  ]);
}

/**
 * Which of some other changes comes before a sequence, so that they are spread evenly; undefined:
 * none. The first sequence has none before it.
 *
 * @param index of the sequence, from 0
 */
export function changeBefore(index: number, count: number, changes: number): number | undefined {
  const every = Math.ceil(count / (changes + 1));
  return index > 0 && index % every === 0 ? index / every - 1 : undefined;
}
