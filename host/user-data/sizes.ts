import { gzipSync } from "fflate";

/** Limits of user data that are met in the field, in bytes. */
export const USER_DATA_LIMITS = [16_384, 32_768, 65_536] as const;

/** How large a document is, in bytes. */
export interface Sizes {
  readonly raw: number;
  /** Of the document in gzip, which cloud-init takes too. */
  readonly gzip: number;
}

/** Sizes of a rendered document. */
export function sizes(document: string): Sizes {
  const content = Buffer.from(document);
  return { raw: content.length, gzip: gzipSync(content, { level: 9, mtime: 0 }).length };
}
