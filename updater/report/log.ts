/** Log lines: one JSON object each, on stderr. No caller passes a token here. */

/** Values of a log line's fields. */
export type LogFields = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** Where log lines go. */
export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
}

/** Writes `{"time":...,"level":...,"message":...}` lines. */
export function createLog(
  write: (line: string) => void = (line) => process.stderr.write(line),
): Log {
  const put = (level: string, message: string, fields: LogFields = {}): void => {
    write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`);
  };
  return {
    info: (message, fields) => put("info", message, fields),
    warn: (message, fields) => put("warn", message, fields),
  };
}

/** The text of anything thrown, without a stack. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as NodeJS.ErrnoException).code;
  return code !== undefined && !error.message.includes(code)
    ? `${error.message} (${code})`
    : error.message;
}
