import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FAULT_POINTS, type FaultPoint } from '../../src/outbound/fault-points.ts';
import { createDice, type Dice } from './random.ts';

/** A point is passed by one mail in ten at most where files are concerned: the first one there is the one. */
const MOST_PASSES = 4;
const RARE: ReadonlySet<FaultPoint> = new Set(['file.added', 'files.stored', 'copy.checked']);

/** Where the workers die by their own hand: at every point in turn, in an order that the seed gives. */
export class Deaths {
  readonly #file: string;
  readonly #order: FaultPoint[] = [];
  readonly #dice: Dice;
  readonly #perPoint: number;
  /** Points that a living process waits for. */
  readonly #handedOut = new Map<string, FaultPoint>();
  isOver = false;

  /** `perPoint`: so many at each point are enough. */
  constructor(folder: string, seed: number, perPoint: number) {
    this.#perPoint = perPoint;
    this.#file = join(folder, 'deaths');
    writeFileSync(this.#file, '');
    this.#dice = createDice(seed, 'deaths');
    const left = [...FAULT_POINTS];
    while (left.length > 0) {
      const point = this.#dice.pick(left);
      left.splice(left.indexOf(point), 1);
      this.#order.push(point);
    }
    // What few mails pass comes first.
    this.#order.sort((one, other) => Number(RARE.has(other)) - Number(RARE.has(one)));
  }

  /** What the next start of a process gets: the point that fewest have died at, and that no other waits for. */
  envFor(name: string): Record<string, string> {
    this.#handedOut.delete(name);
    const counts = this.counts;
    const waited = new Set(this.#handedOut.values());
    const free = this.#order.filter((point) => !waited.has(point) && (counts[point] ?? 0) < this.#perPoint);
    const [point] = free.sort((one, other) => (counts[one] ?? 0) - (counts[other] ?? 0));
    const env = { CHAOS_DEATHS: this.#file };
    if (point === undefined || this.isOver) return env;
    this.#handedOut.set(name, point);
    const passes = RARE.has(point) ? 1 : this.#dice.whole(1, MOST_PASSES);
    return { ...env, CHAOS_DIE_AT: point, CHAOS_DIE_AFTER: String(passes) };
  }

  /** How many have died at each point. */
  get counts(): Record<string, number> {
    const counts: Record<string, number> = Object.fromEntries(FAULT_POINTS.map((point) => [point, 0]));
    for (const point of readFileSync(this.#file, 'utf8').split('\n').filter(Boolean)) {
      counts[point] = (counts[point] ?? 0) + 1;
    }
    return counts;
  }

  /** Whether somebody has died at each point. */
  get isComplete(): boolean {
    return Object.values(this.counts).every((count) => count > 0);
  }
}
