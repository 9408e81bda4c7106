/** Milliseconds in a second; the base of every duration in the code. */
export const SECOND = 1_000;
/** Milliseconds in a minute. */
export const MINUTE = 60 * SECOND;
/** Milliseconds in an hour. */
export const HOUR = 60 * MINUTE;
/** Milliseconds in a day. */
export const DAY = 24 * HOUR;

/** Where the time comes from. Only this file may ask the machine: tests hand in a clock that they move. */
export interface Clock {
  now(): Date;
}

/** The machine's clock. */
export const systemClock: Clock = { now: () => new Date() };

/** A monotonic reading in milliseconds, for durations only; it never jumps with the wall clock. */
export function monotonicMilliseconds(): number {
  return performance.now();
}

/**
 * Resolves after `milliseconds`, or rejects with the signal's reason as soon as it aborts.
 * The timer does not keep the process alive on its own account longer than the signal's owner does.
 */
export function delay(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, milliseconds);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
