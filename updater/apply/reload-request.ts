import type { ReloadRequest } from "../../haproxy/master";
import { writeFileAtomically } from "./atomic-file";

/** Writes a file: root's unit sees that and reloads HAProxy, as the updater may not. */
export class FileReloadRequest implements ReloadRequest {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  send(): Promise<string> {
    writeFileAtomically(this.#file, `${new Date().toISOString()}\n`);
    return Promise.resolve("");
  }
}
