/**
 * The user data in a stack's outputs, by the name of the machine. SECRET
 *
 * @throws when the stack has none
 */
export function userDataIn(
  stack: string,
  outputs: Readonly<Record<string, unknown>>,
): ReadonlyMap<string, string> {
  const { userData } = outputs;
  if (typeof userData !== "object" || userData === null) {
    throw new Error(
      `stack ${stack} has no output userData: set bootstrap to cloudInit and run pulumi up first`,
    );
  }
  const entries = Object.entries(userData).map(([name, text]) => {
    // names become file names
    if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name) || typeof text !== "string") {
      throw new Error(`output userData of stack ${stack}: expected a text for each machine's name`);
    }
    return [name, text] as const;
  });
  return new Map(entries);
}
