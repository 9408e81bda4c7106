/** A source of repeatable randomness in [0, 1): the same seed gives the same run (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What plans are thrown with. */
export interface Dice {
  /** True with this probability. */
  chance(probability: number): boolean;
  /** A number in [least, most). */
  between(least: number, most: number): number;
  /** A whole number from least to most, both included. */
  whole(least: number, most: number): number;
  /** One of them. Throws for an empty list. */
  pick<T>(list: readonly T[]): T;
}

/** Dice that fall the same way for the same seed. `purpose` keeps the throws of two plans apart. */
export function createDice(seed: number, purpose: string): Dice {
  const mixed = [...purpose].reduce((sum, letter) => Math.imul(sum ^ letter.charCodeAt(0), 0x01000193), seed);
  const random = seededRandom(mixed);
  const between = (least: number, most: number) => least + random() * (most - least);
  const whole = (least: number, most: number) => Math.floor(between(least, most + 1));
  return {
    chance: (probability) => random() < probability,
    between,
    whole,
    pick<T>(list: readonly T[]): T {
      const one = list[whole(0, list.length - 1)];
      if (one === undefined) throw new Error('Nothing to pick from.');
      return one;
    },
  };
}
