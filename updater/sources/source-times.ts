/** How long API servers may take; all in milliseconds. */
export interface SourceTimes {
  /** A list, or the headers of a watch's response. */
  readonly requestMs: number;
  /** A connection with its TLS handshake: an API server that is away does not delay the others. */
  readonly connectMs: number;
  /** A watch's timeoutSeconds is 1 to 1.5 times this: a hung API server is noticed after it. */
  readonly watchMs: number;
  /** A watch that is silent for this long beyond its time is dropped. */
  readonly graceMs: number;
}

/** For API servers that serve. */
export const SOURCE_TIMES: SourceTimes = {
  requestMs: 5000,
  connectMs: 1500,
  watchMs: 60_000,
  graceMs: 5000,
};
