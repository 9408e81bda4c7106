import { setTimeout as sleep } from 'node:timers/promises';

/** The run's own time: milliseconds since the traffic began. */
export interface Timetable {
  /** Waits until that time. Throws the signal's reason when the run is cut short. */
  until(at: number): Promise<void>;
  /** Waits so long. */
  pause(milliseconds: number): Promise<void>;
}

/** Begins now. */
export function startTimetable(signal: AbortSignal): Timetable {
  const startedAt = performance.now();
  const pause = async (milliseconds: number) => {
    signal.throwIfAborted();
    if (milliseconds > 0) await sleep(milliseconds, undefined, { signal });
  };
  return { pause, until: (at) => pause(startedAt + at - performance.now()) };
}
