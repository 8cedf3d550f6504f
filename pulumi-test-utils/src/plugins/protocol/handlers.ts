import * as grpc from "@grpc/grpc-js";
import * as plugin from "@pulumi/pulumi/proto/plugin_pb";
import * as proto from "@pulumi/pulumi/proto/provider_pb";
import * as status from "@pulumi/pulumi/proto/status_pb";
import { Any } from "google-protobuf/google/protobuf/any_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct, type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb";
import type { Properties } from "../../wire";
import { InitFailed, type DiffResult, type PropertyChange, type Provider } from "./provider";

type Handler = (
  call: { request: never },
  callback: (error: unknown, response?: unknown) => void,
) => void;

/** Methods of the ResourceProvider service; missing ones answer "unimplemented". */
export function handlers(
  version: string,
  provider: Provider,
  cancel: () => void,
): grpc.UntypedServiceImplementation {
  const methods: Record<string, Handler> = {
    getPluginInfo: handle(() => {
      const info = new plugin.PluginInfo();
      info.setVersion(version);
      return info;
    }),
    cancel: handle(() => {
      cancel();
      return new Empty();
    }),
    checkConfig: handle((request: proto.CheckRequest) => {
      const response = new proto.CheckResponse();
      response.setInputs(request.getNews());
      return response;
    }),
    configure: handle(async (request: proto.ConfigureRequest) => {
      await provider.configure(Object.fromEntries(request.getVariablesMap().toArray()));
      const response = new proto.ConfigureResponse();
      response.setAcceptsecrets(true);
      response.setSupportspreview(true);
      response.setAcceptresources(true);
      return response;
    }),
    check: handle(async (request: proto.CheckRequest) => {
      const { inputs, failures } = await provider.check({
        ...identity(request),
        olds: read(request.getOlds()),
        news: read(request.getNews()),
        randomSeed: request.getRandomseed_asU8(),
      });
      const response = new proto.CheckResponse();
      response.setInputs(write(inputs));
      for (const { property, reason } of failures ?? []) {
        const failure = new proto.CheckFailure();
        failure.setProperty(property);
        failure.setReason(reason);
        response.addFailures(failure);
      }
      return response;
    }),
    diff: handle(async (request: proto.DiffRequest) =>
      diffResponse(
        await provider.diff({
          ...identity(request),
          id: request.getId(),
          olds: read(request.getOlds()),
          oldInputs: read(request.getOldInputs()),
          news: read(request.getNews()),
          ignoreChanges: request.getIgnorechangesList(),
        }),
      ),
    ),
    create: handle(async (request: proto.CreateRequest) => {
      const made = await provider.create({
        ...change(request),
        properties: read(request.getProperties()),
      });
      const response = new proto.CreateResponse();
      response.setId(made.id);
      response.setProperties(write(made.properties));
      return response;
    }),
    update: handle(async (request: proto.UpdateRequest) => {
      const properties = await provider.update({
        ...change(request),
        id: request.getId(),
        olds: read(request.getOlds()),
        oldInputs: read(request.getOldInputs()),
        news: read(request.getNews()),
        ignoreChanges: request.getIgnorechangesList(),
      });
      const response = new proto.UpdateResponse();
      response.setProperties(write(properties));
      return response;
    }),
    delete: handle(async (request: proto.DeleteRequest) => {
      await provider.delete({
        ...identity(request),
        id: request.getId(),
        properties: read(request.getProperties()),
        timeoutSeconds: request.getTimeout(),
      });
      return new Empty();
    }),
    read: handle(async (request: proto.ReadRequest) => {
      const found = await provider.read({
        ...identity(request),
        id: request.getId(),
        properties: read(request.getProperties()),
        inputs: read(request.getInputs()),
      });
      const response = new proto.ReadResponse();
      response.setId(found.id);
      if (found.id !== "") {
        response.setProperties(write(found.properties));
        response.setInputs(write(found.inputs));
      }
      return response;
    }),
  };
  if (provider.diffConfig !== undefined) {
    methods.diffConfig = handle((request: proto.DiffRequest) => {
      const { diffs = [], replaces = [] } =
        provider.diffConfig?.(read(request.getOlds()), read(request.getNews())) ?? {};
      const response = new proto.DiffResponse();
      const { DIFF_SOME, DIFF_NONE } = proto.DiffResponse.DiffChanges;
      response.setChanges(diffs.length > 0 ? DIFF_SOME : DIFF_NONE);
      response.setDiffsList(diffs);
      response.setReplacesList(replaces);
      return response;
    });
  }
  return methods as unknown as grpc.UntypedServiceImplementation;
}

interface Identified {
  getUrn(): string;
  getName(): string;
  getType(): string;
}

function identity(request: Identified) {
  const urn = request.getUrn();
  const [, , types = "", name = ""] = urn.split("::");
  return {
    urn,
    name: request.getName() || name,
    type: request.getType() || (types.split("$").pop() ?? ""),
  };
}

function change(request: Identified & { getPreview(): boolean; getTimeout(): number }) {
  return {
    ...identity(request),
    preview: request.getPreview(),
    timeoutSeconds: request.getTimeout(),
  };
}

function read(struct: Struct | undefined): Properties {
  return struct?.toJavaScript() ?? {};
}

function write(properties: Properties): Struct {
  // undefined values cannot be sent: JSON drops them
  const clean = JSON.parse(JSON.stringify(properties)) as Record<string, JavaScriptValue>;
  return Struct.fromJavaScript(clean);
}

function diffResponse(result: DiffResult): proto.DiffResponse {
  const response = new proto.DiffResponse();
  const entries = Object.entries(result.changes);
  const { DIFF_SOME, DIFF_NONE } = proto.DiffResponse.DiffChanges;
  response.setChanges(entries.length > 0 ? DIFF_SOME : DIFF_NONE);
  response.setHasdetaileddiff(true);
  for (const [path, entry] of entries) {
    const detail = new proto.PropertyDiff();
    detail.setKind(kindOf(entry));
    detail.setInputdiff(entry.inputDiff);
    response.getDetaileddiffMap().set(path, detail);
    response.addDiffs(path);
    if (entry.replace) response.addReplaces(path);
  }
  response.setDeletebeforereplace(result.deleteBeforeReplace ?? false);
  return response;
}

function kindOf({ kind, replace }: PropertyChange): proto.PropertyDiff.Kind {
  const { Kind } = proto.PropertyDiff;
  switch (kind) {
    case "add":
      return replace ? Kind.ADD_REPLACE : Kind.ADD;
    case "delete":
      return replace ? Kind.DELETE_REPLACE : Kind.DELETE;
    case "update":
      return replace ? Kind.UPDATE_REPLACE : Kind.UPDATE;
  }
}

function handle<Request>(work: (request: Request) => unknown): Handler {
  return (call, callback) => {
    Promise.resolve()
      .then(() => work(call.request as Request))
      .then(
        (response) => callback(null, response),
        (error: unknown) => callback(grpcError(error)),
      );
  };
}

function grpcError(error: unknown): grpc.ServiceError {
  const message = error instanceof Error ? error.message : String(error);
  const answer = Object.assign(new Error(message), {
    code: grpc.status.UNKNOWN,
    details: message,
    metadata: new grpc.Metadata(),
  });
  if (error instanceof InitFailed) {
    const detail = new proto.ErrorResourceInitFailed();
    detail.setId(error.id);
    detail.setProperties(write(error.properties));
    detail.setReasonsList([...error.reasons]);
    if (error.inputs !== undefined) detail.setInputs(write(error.inputs));
    const any = new Any();
    any.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
    const message_ = new status.Status();
    message_.setCode(grpc.status.UNKNOWN);
    message_.setMessage(message);
    message_.addDetails(any);
    answer.metadata.add("grpc-status-details-bin", Buffer.from(message_.serializeBinary()));
  }
  return answer;
}
