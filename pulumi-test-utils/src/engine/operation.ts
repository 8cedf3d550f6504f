import type { automation } from "@pulumi/pulumi";

type EngineEvent = automation.EngineEvent;

/** One step of an operation. */
export interface Step {
  /** create, update, replace, create-replacement, delete-replaced, delete, read, refresh, ... */
  readonly op: string;
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  /** Paths of the properties that changed. */
  readonly diff: readonly string[];
}

/** Result of an operation, or of a preview. */
export interface OperationResult {
  /** Number of resources by operation, e.g. `{ create: 3, same: 1 }`. */
  readonly summary: Readonly<Record<string, number>>;
  /** All steps except "same", in the order of the engine. */
  readonly steps: readonly Step[];
  /** Messages of engine, providers and program, without mere progress. */
  readonly messages: readonly string[];
  readonly stdout: string;
}

/**
 * A failed operation with the messages of engine and providers, without secrets of the
 * configuration.
 */
export class EngineError extends Error {
  constructor(
    readonly operation: string,
    /** Messages of severity "error". */
    readonly diagnostics: readonly string[],
    /** Steps before the failure. */
    readonly result: OperationResult,
  ) {
    super(`pulumi ${operation} failed:\n${diagnostics.join("\n")}`);
    this.name = "EngineError";
  }
}

/** Steps that change nothing. */
const QUIET: ReadonlySet<string> = new Set(["same", "refresh"]);

/** All but "debug", which the declared type leaves out. */
const SEVERITIES: ReadonlySet<string> = new Set(["info", "info#err", "warning", "error"]);

/** Collects the events of one operation. */
export class EventCollector {
  private summary: Record<string, number> = {};
  private readonly steps: Step[] = [];
  private readonly messages: string[] = [];
  private readonly errors: string[] = [];
  private readonly refreshed = new Set<string>();

  /** @param hide texts that must not appear in messages */
  constructor(private readonly hide: readonly string[]) {}

  readonly add = (event: EngineEvent): void => {
    const { resourcePreEvent, resOutputsEvent, diagnosticEvent, summaryEvent } = event;
    if (summaryEvent) this.summary = { ...summaryEvent.resourceChanges };
    if (resourcePreEvent && !QUIET.has(resourcePreEvent.metadata.op)) {
      this.steps.push(stepOf(resourcePreEvent.metadata));
    }
    if (resourcePreEvent?.metadata.op === "refresh") {
      this.refreshed.add(resourcePreEvent.metadata.urn);
    }
    // the findings of a refresh are known only at its end
    if (resOutputsEvent && this.refreshed.delete(resOutputsEvent.metadata.urn)) {
      if (!QUIET.has(resOutputsEvent.metadata.op)) {
        this.steps.push(stepOf(resOutputsEvent.metadata));
      }
    }
    if (diagnosticEvent && SEVERITIES.has(diagnosticEvent.severity) && !diagnosticEvent.ephemeral) {
      const name = diagnosticEvent.urn?.split("::").pop();
      const text = this.clean(diagnosticEvent.message).trim();
      if (text === "") return;
      const message = name ? `${name}: ${text}` : text;
      this.messages.push(message);
      if (diagnosticEvent.severity === "error") this.errors.push(message);
    }
  };

  result(stdout: string): OperationResult {
    const { summary, steps, messages } = this;
    return { summary, steps, messages, stdout: this.clean(stdout) };
  }

  /** @param cause error of the Automation API; its text is used if the engine sent no message */
  error(operation: string, cause: unknown, stdout: string): EngineError {
    const text = this.clean(cause instanceof Error ? cause.message : String(cause));
    // before the deployment starts, the CLI reports errors on stderr only
    const lines = new Set(text.split("\n").filter((line) => line.startsWith("error: ")));
    const fallback = lines.size > 0 ? [...lines] : [text];
    const diagnostics = this.errors.length > 0 ? this.errors : fallback;
    return new EngineError(operation, diagnostics, this.result(stdout));
  }

  private clean(text: string): string {
    // colour marks of the engine, then escape sequences of a terminal
    // eslint-disable-next-line no-control-regex
    const bare = text.replace(/<\{%[^%]*%\}>/g, "").replace(/\u001b\[[0-9;]*m/g, "");
    return this.hide.reduce((result, secret) => result.replaceAll(secret, "[secret]"), bare);
  }
}

function stepOf(metadata: automation.StepEventMetadata): Step {
  const { op, urn, type, detailedDiff, diffs } = metadata;
  return {
    op: String(op),
    urn,
    type,
    name: urn.split("::").slice(3).join("::"),
    diff: detailedDiff ? Object.keys(detailedDiff) : (diffs ?? []),
  };
}
