/** A time limit that can be begun anew and lifted: for streams, which may last long but not stand still. */
export interface Deadline {
  /** Aborts with `reason` when time is up. */
  readonly signal: AbortSignal;
  /** Counts from now again, for as long as at first or for `milliseconds`. */
  restart(milliseconds?: number): void;
  /** Lifts the limit; call it when done, or the timer stays. */
  clear(): void;
}

/** Begins a limit of `milliseconds`. */
export function startDeadline(milliseconds: number, reason: Error): Deadline {
  const controller = new AbortController();
  const expire = () => controller.abort(reason);
  let timer = setTimeout(expire, milliseconds);
  return {
    signal: controller.signal,
    restart(again = milliseconds) {
      clearTimeout(timer);
      timer = setTimeout(expire, again);
    },
    clear() {
      clearTimeout(timer);
    },
  };
}
