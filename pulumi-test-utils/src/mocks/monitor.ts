import { runtime } from "@pulumi/pulumi";
import { MockMonitor } from "@pulumi/pulumi/runtime/mocks";
import * as proto from "@pulumi/pulumi/proto/resource_pb";
import { Struct, type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb";
import type { Recorded, RecordedOptions } from "./recorded";
import { isObject, secretValue, unwrap, type Properties } from "../wire";

const STACK_TYPE = "pulumi:pulumi:Stack";

/** Settings of the {@link RecordingMonitor}. */
export interface MonitorSettings {
  readonly project: string;
  readonly stack: string;
  readonly preview: boolean;
  /** Properties of a created resource beside its inputs. */
  readonly outputs: (type: string, name: string, inputs: Properties) => Properties;
  /** Answers a provider function. */
  readonly call: (token: string, inputs: Properties) => Properties;
}

type Callback = (error: unknown, response: unknown) => void;

/**
 * A resource monitor that records every registration, with the marks of secrets that Pulumi's mocks
 * lose.
 */
export class RecordingMonitor extends MockMonitor {
  readonly recorded: Recorded[] = [];

  constructor(private readonly settings: MonitorSettings) {
    const mocks: runtime.Mocks = {
      call: ({ token, inputs }) => settings.call(token, inputs as Properties),
      newResource: ({ name, inputs }) => ({ id: `${name}-id`, state: inputs as Properties }),
    };
    super(mocks);
  }

  override registerResource(
    request: proto.RegisterResourceRequest,
    callback: Callback,
  ): Promise<void> {
    try {
      callback(null, this.register(request));
    } catch (error) {
      callback(error, undefined);
    }
    return Promise.resolve();
  }

  /** Accepts hooks but never calls them: nothing is created or updated. */
  registerResourceHook(_request: unknown, callback: Callback): void {
    callback(null, {});
  }

  override registerResourceOutputs(
    _request: unknown,
    callback: (error: unknown, response: unknown) => void,
  ): void {
    callback(null, {});
  }

  private register(request: proto.RegisterResourceRequest): proto.RegisterResourceResponse {
    const raw = (request.getObject()?.toJavaScript() ?? {}) as Properties;
    const { value, secretPaths } = unwrap(raw, (marked): unknown =>
      runtime.deserializeProperty(marked, true),
    );
    const inputs = value as Properties;
    const [type, name] = [request.getType(), request.getName()];
    const urn = this.urn(request.getParent(), type, name);
    if (this.recorded.some((other) => other.urn === urn)) {
      throw new Error(`Duplicate resource URN '${urn}'; try giving it a unique name`);
    }
    this.recorded.push({
      type,
      name,
      urn,
      inputs,
      secretInputs: secretPaths,
      custom: request.getCustom(),
      ...(request.getParent() === "" ? {} : { parent: request.getParent() }),
      ...(request.getProvider() === "" ? {} : { provider: request.getProvider() }),
      options: optionsOf(request),
    });
    const outputs = this.settings.preview ? {} : this.settings.outputs(type, name, inputs);
    const state: Properties = { ...raw, ...outputs };
    for (const key of request.getAdditionalsecretoutputsList()) {
      if (key in state) state[key] = secretValue(state[key]);
    }
    const id = request.getCustom() && !this.settings.preview ? `${name}-id` : "";
    this.resources.set(urn, { urn, id, state });
    const response = new proto.RegisterResourceResponse();
    response.setUrn(urn);
    response.setId(id);
    response.setObject(Struct.fromJavaScript(state as Record<string, JavaScriptValue>));
    return response;
  }

  private urn(parent: string, type: string, name: string): string {
    const parentType = parent.split("::")[2];
    const qualified =
      parentType === undefined || parentType === STACK_TYPE ? type : `${parentType}$${type}`;
    return `urn:pulumi:${this.settings.stack}::${this.settings.project}::${qualified}::${name}`;
  }
}

function optionsOf(request: proto.RegisterResourceRequest): RecordedOptions {
  const timeouts = request.getCustomtimeouts()?.toObject();
  const customTimeouts = Object.fromEntries(
    Object.entries(isObject(timeouts) ? timeouts : {}).filter(([, value]) => value !== ""),
  ) as Record<string, string>;
  return {
    dependsOn: request.getDependenciesList(),
    protect: request.getProtect() ?? false,
    ignoreChanges: request.getIgnorechangesList(),
    replaceOnChanges: request.getReplaceonchangesList(),
    additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
    retainOnDelete: request.getRetainondelete() ?? false,
    ...(request.getDeletebeforereplacedefined()
      ? { deleteBeforeReplace: request.getDeletebeforereplace() }
      : {}),
    deletedWith: request.getDeletedwith(),
    importId: request.getImportid(),
    version: request.getVersion(),
    customTimeouts,
  };
}
