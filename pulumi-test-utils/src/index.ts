export {
  recordResources,
  valueOf,
  type Recorded,
  type RecordedOptions,
  type Recording,
  type RecordOptions,
} from "./mocks/record";
export { UNKNOWN, type Properties } from "./wire";
