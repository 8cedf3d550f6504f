export { recordResources, valueOf, type Recording, type RecordOptions } from "./mocks/record";
export type { Recorded, RecordedOptions } from "./mocks/recorded";
export { UNKNOWN, type Properties } from "./wire";
export {
  Engine,
  type EngineOptions,
  type OperationOptions,
  type Program,
  type UpResult,
} from "./engine/engine";
export { EngineError, type OperationResult, type Step } from "./engine/operation";
export { NestedSecret, type ConfigValue } from "./engine/settings";
export type { SpawnedUp } from "./engine/spawn";
export { ensurePulumiHome, type HomeOptions, type PluginKind, type PulumiHome } from "./home/home";
