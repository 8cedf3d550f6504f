/** Quotes a text as Go's `%q` does. */
export function goQuote(text: string): string {
  const escapes: Record<string, string> = {
    "\u0007": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    '"': '\\"',
    "\\": "\\\\",
  };
  const quoted = Array.from(text, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (character in escapes) return escapes[character];
    if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, "0")}`;
    return character;
  });
  return `"${quoted.join("")}"`;
}

/** Go's `strings.TrimSuffix(text, "\n")`: takes one newline off the end. */
export function trimNewline(text: string): string {
  return text.endsWith("\n") ? text.slice(0, -1) : text;
}
