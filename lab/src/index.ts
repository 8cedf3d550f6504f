export { haproxyBinaries, type HaproxyBinary } from "./haproxy-binaries";
export { makeParts, type Parts } from "./parts";
export { IMAGES } from "./images";
export { imageConfigs, type ImageConfig } from "./oci";
export { plannedMachines } from "./added-machines";
export { Api, ApiError } from "./cluster-api/api";
export { API_VERSION as INFRASTRUCTURE_API_VERSION } from "./cluster-api/infrastructure";
export { ManagementCluster } from "./cluster-api/management";
export type { CloudInitResult } from "./cloud-init";
export { Lab } from "./lab";
export type { LabOptions, LabSsh, MachineInfo, UserDataMachine } from "./types";
export type { ExecOptions } from "./machine";
export {
  buildProgram,
  CommandError,
  KUBERNETES_VERSION,
  PULUMI_VERSION,
  type Finished,
  type Log,
  type ProgramName,
} from "../../tools/src/index";
