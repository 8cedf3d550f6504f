import type { Properties } from "../wire";

/** Resource options that the program sends to the engine. */
export interface RecordedOptions {
  /** URNs of its dependencies: explicit `dependsOn`, and resources whose outputs it uses. */
  readonly dependsOn: readonly string[];
  readonly protect: boolean;
  readonly ignoreChanges: readonly string[];
  readonly replaceOnChanges: readonly string[];
  readonly additionalSecretOutputs: readonly string[];
  readonly retainOnDelete: boolean;
  /** Absent unless the program sets it. */
  readonly deleteBeforeReplace?: boolean;
  /** URN, or "". */
  readonly deletedWith: string;
  /** Id of the object to import, or "". */
  readonly importId: string;
  /** Version of the provider plugin, or "". */
  readonly version: string;
  /** `create`, `update`, `delete`: as written, e.g. "10m". */
  readonly customTimeouts: Readonly<Record<string, string>>;
}

/** A resource that a program registered. */
export interface Recorded {
  readonly type: string;
  readonly name: string;
  readonly urn: string;
  /** Plain values: secrets unwrapped; unknown values of a preview are {@link UNKNOWN}. */
  readonly inputs: Properties;
  /** Paths of the inputs that were secret, e.g. `connection.privateKey`. */
  readonly secretInputs: readonly string[];
  /** False for components. */
  readonly custom: boolean;
  /** URN of the parent; absent at the top. */
  readonly parent?: string;
  /** `URN::ID` of an explicit provider; absent for the default one. */
  readonly provider?: string;
  readonly options: RecordedOptions;
}
