/** Two clocks in ms: `wall` since 1970 for times, `steady` for durations. */
export interface Clock {
  wall(): number;
  steady(): number;
}

/** The clocks of this process. */
export const CLOCK: Clock = { wall: () => Date.now(), steady: () => performance.now() };
