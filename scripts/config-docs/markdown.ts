import { ONLY_FOR } from "../../stacks/unused-keys";
import { configurationSchema, defaultOf, leavesOf, type Leaf } from "./properties";

const TABLE = /<!-- keys: ([^>]*?) -->\n[^]*?<!-- end of keys -->/g;

/**
 * Fills the tables of a Markdown text. A table stands between `<!-- keys: PATH PATH ... -->` and
 * `<!-- end of keys -->`, and lists all keys below these paths that no other table names more
 * exactly. `only-TOPOLOGY` stands for the keys of one topology.
 *
 * @throws when a key stands in no table
 */
export function fillTables(markdown: string): string {
  const claims = [...markdown.matchAll(TABLE)].flatMap(([, paths = ""]) => pathsOf(paths));
  const rows = new Map<string, Leaf[]>(claims.map((claim) => [claim, []]));
  for (const leaf of leavesOf(configurationSchema())) {
    const [claim] = claims
      .filter((path) => leaf.path === path || leaf.path.startsWith(`${path}.`))
      .sort((a, b) => b.length - a.length);
    if (claim === undefined) {
      throw new Error(`${leaf.path} is in no table: add it to a "keys:" line of the document`);
    }
    rows.get(claim)?.push(leaf);
  }
  return markdown.replaceAll(TABLE, (_, paths: string) => {
    const lines = pathsOf(paths).flatMap((path) => (rows.get(path) ?? []).map(row));
    const table = ["| key | default | meaning |", "| --- | --- | --- |", ...lines].join("\n");
    return `<!-- keys: ${paths} -->\n\n${table}\n\n<!-- end of keys -->`;
  });
}

function pathsOf(paths: string): string[] {
  return paths.split(/\s+/).flatMap((path) => {
    const topology = /^only-(daemonset|external)$/.exec(path)?.[1];
    return topology === undefined ? [path] : ONLY_FOR[topology as keyof typeof ONLY_FOR];
  });
}

function row(leaf: Leaf): string {
  const { path, property, required } = leaf;
  const secret = property.secret === true ? " (secret)" : "";
  const value = defaultOf(leaf);
  const shown = required ? "required" : value === "" ? "-" : `\`${value}\``;
  return `| \`${path}\`${secret} | ${shown} | ${property.description ?? ""} |`;
}
