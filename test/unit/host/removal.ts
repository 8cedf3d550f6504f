/** The scripts, and for each part the removal that its script leaves on the host. */
export function withRemovals(scripts: Readonly<Record<string, string>>): Record<string, string> {
  const all = { ...scripts };
  for (const [name, text] of Object.entries(scripts)) {
    const removal = /<<'END_OF_REMOVAL'\n([^]*?)\nEND_OF_REMOVAL\n/.exec(text)?.[1];
    if (removal !== undefined) all[`${name}, its removal`] = `${removal}\n`;
  }
  return all;
}
