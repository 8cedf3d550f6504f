import { gzipSync } from "fflate";

/**
 * base64 of gzip, in one line: cloud-init's encoding `gzip+base64`. Not by Node's zlib: its bytes
 * differ between processors, and a changed text would replace machines.
 */
export function gzipBase64(content: Uint8Array): string {
  return Buffer.from(gzipSync(content, { level: 9, mtime: 0 })).toString("base64");
}
