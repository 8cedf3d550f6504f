import type { Properties } from "../../wire";

/** A change of one property, and whether it replaces the resource. */
export interface PropertyChange {
  readonly kind: "add" | "delete" | "update";
  readonly replace: boolean;
  /** True if it compares inputs, false if it compares the last state. */
  readonly inputDiff: boolean;
}

/** Answer of `diff`. Without changes the resource stays as it is. */
export interface DiffResult {
  /** Changes by property path. */
  readonly changes: Readonly<Record<string, PropertyChange>>;
  readonly deleteBeforeReplace?: boolean;
}

/** Common part of all calls about one resource. */
export interface ResourceCall {
  readonly urn: string;
  readonly name: string;
  readonly type: string;
}

/** Common part of calls that may change the resource. */
export interface ChangeCall extends ResourceCall {
  /** True in a preview, which must not change anything. */
  readonly preview: boolean;
  /** From customTimeouts; 0 = the provider's own. */
  readonly timeoutSeconds: number;
}

export interface CheckCall extends ResourceCall {
  /** Empty on create. */
  readonly olds: Properties;
  readonly news: Properties;
  readonly randomSeed: Uint8Array;
}

export interface DiffCall extends ResourceCall {
  readonly id: string;
  /** The last state. */
  readonly olds: Properties;
  readonly oldInputs: Properties;
  readonly news: Properties;
  readonly ignoreChanges: readonly string[];
}

export interface CreateCall extends ChangeCall {
  readonly properties: Properties;
}

export interface UpdateCall extends ChangeCall {
  readonly id: string;
  readonly olds: Properties;
  readonly oldInputs: Properties;
  readonly news: Properties;
  readonly ignoreChanges: readonly string[];
}

export interface DeleteCall extends ResourceCall {
  readonly id: string;
  readonly properties: Properties;
  readonly timeoutSeconds: number;
}

export interface ReadCall extends ResourceCall {
  readonly id: string;
  readonly properties: Properties;
  readonly inputs: Properties;
}

/** A rejected input. */
export interface CheckFailure {
  readonly property: string;
  readonly reason: string;
}

/**
 * A resource provider. Values carry the marks of secrets. They must be unwrapped for use and marked
 * again in the answers, else the state has them in plain text.
 */
export interface Provider {
  configure(variables: Readonly<Record<string, string>>): Promise<void> | void;
  /** Compares two configurations of the provider. @default every change is an update */
  diffConfig?(
    olds: Properties,
    news: Properties,
  ): { readonly diffs: string[]; readonly replaces: string[] };
  check(call: CheckCall): Promise<{ inputs: Properties; failures?: readonly CheckFailure[] }>;
  diff(call: DiffCall): Promise<DiffResult>;
  create(call: CreateCall): Promise<{ id: string; properties: Properties }>;
  update(call: UpdateCall): Promise<Properties>;
  delete(call: DeleteCall): Promise<void>;
  /** Empty if the resource no longer exists. */
  read(call: ReadCall): Promise<{ id: string; properties: Properties; inputs: Properties }>;
}

/** The engine, as a provider sees it. */
export interface Host {
  /** Shows a line at a resource; an ephemeral one only while the operation runs. */
  log(level: "info" | "warning" | "error", urn: string, text: string, ephemeral: boolean): void;
  /** Aborts when the engine asks to stop. */
  readonly cancelled: AbortSignal;
}

/** The resource exists and its state is saved, but it did not become ready. */
export class InitFailed extends Error {
  constructor(
    message: string,
    readonly id: string,
    readonly properties: Properties,
    readonly reasons: readonly string[] = [message],
    /** Current inputs, after a read only. */
    readonly inputs?: Properties,
  ) {
    super(message);
  }
}
