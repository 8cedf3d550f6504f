/** Texts without what they repeat. */
export interface SharedText {
  /** What occurs more than once. */
  readonly blocks: readonly string[];
  /** Each text as pieces in order: one of its own, or the index of a block. */
  readonly texts: readonly (readonly (string | number)[])[];
}

/** Shorter repetitions are left to gzip. */
const MIN_BLOCK_LENGTH = 200;

/**
 * Takes repeated shell functions out of scripts: all scripts of parts have the same helpers, too far
 * from each other for gzip. The pieces of a text, put together, are that text again.
 */
export function shareText(scripts: readonly string[]): SharedText {
  const split = joinNeighbours(scripts.map(functionsOf));
  const counts = new Map<string, number>();
  for (const each of split.flat()) counts.set(each, (counts.get(each) ?? 0) + 1);
  const blocks = [...counts]
    .filter(([text, count]) => count > 1 && text.length >= MIN_BLOCK_LENGTH)
    .map(([text]) => text);
  const indexes = new Map(blocks.map((text, index) => [text, index]));
  return { blocks, texts: split.map((pieces) => ownText(pieces, indexes)) };
}

/** Functions, whose last line is a single brace, and what stands between them. */
function functionsOf(script: string): string[] {
  return script.split(/(?<=^\}\n)|(?=^\w+\(\) \{)/m);
}

/** Joins pieces that only occur one after the other. */
function joinNeighbours(texts: readonly (readonly string[])[]): string[][] {
  const after = neighbours(texts, 1);
  const before = neighbours(texts, -1);
  return texts.map((pieces) => {
    const joined: string[] = [];
    pieces.forEach((piece, index) => {
      const former = pieces[index - 1];
      const belongs =
        former !== undefined && after.get(former) === piece && before.get(piece) === former;
      if (belongs) joined.push(`${joined.pop() ?? ""}${piece}`);
      else joined.push(piece);
    });
    return joined;
  });
}

/** The one neighbour that a piece has everywhere, if so. */
function neighbours(
  texts: readonly (readonly string[])[],
  step: 1 | -1,
): ReadonlyMap<string, string | undefined> {
  const found = new Map<string, string | undefined>();
  for (const pieces of texts) {
    pieces.forEach((piece, index) => {
      const next = pieces[index + step];
      found.set(piece, found.has(piece) && found.get(piece) !== next ? undefined : next);
    });
  }
  return found;
}

function ownText(
  pieces: readonly string[],
  indexes: ReadonlyMap<string, number>,
): (string | number)[] {
  const all: (string | number)[] = [];
  for (const piece of pieces) {
    const index = indexes.get(piece);
    const last = all.at(-1);
    if (index !== undefined) all.push(index);
    else if (typeof last === "string") all[all.length - 1] = last + piece;
    else all.push(piece);
  }
  return all;
}
