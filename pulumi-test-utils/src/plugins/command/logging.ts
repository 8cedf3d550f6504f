/** Input `logging`: streams whose lines are shown while the command runs. */
export type Logging = "stdout" | "stderr" | "stdoutAndStderr" | "none";

/** Output of a command. */
export interface Captured {
  readonly stdout: string;
  readonly stderr: string;
  /** Both, in the order in which they arrived. */
  readonly both: string;
}

/** Collects the output of a command and shows its lines as they arrive. */
export class Collector {
  private readonly chunks: { stream: "stdout" | "stderr"; data: Buffer }[] = [];
  private line = "";

  constructor(
    private readonly logging: Logging | undefined,
    private readonly show: (line: string) => void,
  ) {}

  add(stream: "stdout" | "stderr", data: Buffer): void {
    this.chunks.push({ stream, data });
    const { logging } = this;
    const shown = logging === undefined || logging === "stdoutAndStderr" || logging === stream;
    if (!shown) return;
    const lines = (this.line + data.toString()).split("\n");
    this.line = lines.pop() ?? "";
    for (const line of lines) this.show(line);
  }

  end(): Captured {
    if (this.line !== "") this.show(this.line);
    this.line = "";
    const text = (stream?: "stdout" | "stderr") =>
      Buffer.concat(
        this.chunks
          .filter((chunk) => stream === undefined || chunk.stream === stream)
          .map((chunk) => chunk.data),
      ).toString();
    return { stdout: text("stdout"), stderr: text("stderr"), both: text() };
  }
}
