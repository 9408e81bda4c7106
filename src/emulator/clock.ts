/** The emulator's own clock: the machine's time plus an offset that tests move forwards through the control API. */
export interface EmulatorClock {
  /** The emulated instant, in milliseconds since 1970. */
  now(): number;
  /** Moves the emulated time forwards; tokens and delta links age at once, nobody has to wait. */
  advance(seconds: number): void;
  /** How far the emulated time runs ahead of the machine's, in milliseconds. */
  offsetMilliseconds(): number;
  /** Back to the machine's own time. */
  reset(): void;
  /** Calls the listener after every `advance` and `reset`, for what happens at an emulated time. */
  onMove(listener: () => void): void;
}

/** Makes a clock that shows the machine's time until it is advanced. */
export function createEmulatorClock(offset = 0): EmulatorClock {
  let offsetMilliseconds = offset;
  const listeners: (() => void)[] = [];
  return {
    now: () => Date.now() + offsetMilliseconds,
    advance(seconds) {
      offsetMilliseconds += Math.max(0, seconds) * 1000;
      for (const listener of listeners) listener();
    },
    offsetMilliseconds: () => offsetMilliseconds,
    reset() {
      offsetMilliseconds = 0;
      for (const listener of listeners) listener();
    },
    onMove(listener) {
      listeners.push(listener);
    },
  };
}

/** The form Graph gives instants in: whole seconds, UTC. */
export function graphDateTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}
