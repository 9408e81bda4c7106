/** Where the emulator's chances come from: probabilities of faults, of lost and doubled notifications, random delays. */
export interface Randomness {
  /** The next number in [0, 1). */
  next(): number;
  /** From now on the same numbers follow for the same seed; null goes back to real chance. */
  seed(seed: number | null): void;
}

/** Real chance, until a seed is set. */
export function createRandomness(): Randomness {
  let state: number | null = null;
  return {
    next() {
      if (state === null) return Math.random();
      // mulberry32: tiny, and good enough to throw dice with.
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    },
    seed(seed) {
      state = seed === null ? null : seed >>> 0;
    },
  };
}
