import { whoAnswers } from "./client";
import { sleep } from "./wait";

/** New connections one by one, from `begin` to `stop`: which server answered, and what failed. */
export class Load {
  readonly answers: string[] = [];
  readonly failures: string[] = [];
  #running = true;
  readonly #work: Promise<void>;

  private constructor(port: number, caFile: string, pauseMs: number) {
    this.#work = this.#run(port, caFile, pauseMs);
  }

  static begin(port: number, caFile: string, pauseMs = 20): Load {
    return new Load(port, caFile, pauseMs);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#work;
  }

  async #run(port: number, caFile: string, pauseMs: number): Promise<void> {
    while (this.#running) {
      await whoAnswers(port, caFile).then(
        (name) => this.answers.push(name),
        (error: unknown) => this.failures.push(String(error)),
      );
      await sleep(pauseMs);
    }
  }
}
