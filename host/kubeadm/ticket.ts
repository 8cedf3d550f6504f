/** The script that prints one line: a ticket (SECRET) with which the master `for` can join, or `absent` when its host has no cluster. */
export function ticketScript(options: { for: string; generation: number }): string {
  throw new Error(`not there yet: ${options.for}`);
}
