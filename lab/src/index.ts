export { haproxyBinaries, type HaproxyBinary } from "./haproxy-binaries";
export { makeParts, type Parts } from "./parts";
export { buildProgram, PULUMI_VERSION, KUBERNETES_VERSION, type ProgramName } from "./programs";
export { IMAGES } from "./images";
export { imageConfigs, type ImageConfig } from "./oci";
export type { Log } from "./log";
export { Lab, type LabOptions, type LabSsh, type MachineInfo } from "./lab";
export type { ExecOptions } from "./machine";
export { CommandError, type Finished } from "./process";
