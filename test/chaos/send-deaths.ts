import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FAULT_POINTS, type FaultPoint } from '../../src/outbound/fault-points.ts';
import { createDice, type Dice } from './random.ts';

/** A point is passed by one mail in ten at most where files are concerned: the first one there is the one. */
const MOST_PASSES = 4;
const RARE: ReadonlySet<FaultPoint> = new Set([
  'file.session-kept',
  'file.range-sent',
  'file.added',
  'files.stored',
  'copy.checked',
]);

/** Where the workers die by their own hand: at every point in turn, in an order that the seed gives. */
export class Deaths {
  readonly #file: string;
  readonly #order: FaultPoint[] = [];
  readonly #dice: Dice;
  readonly #perPoint: number;
  readonly #atOnce: number;
  /** Points that a living process waits for. */
  readonly #handedOut = new Map<string, readonly FaultPoint[]>();
  isOver = false;

  /**
   * `perPoint`: so many at each point are enough. `atOnce`: for so many points a process waits, and dies at the one that it
   * passes first: with more of them a short run comes to all, with one the deaths are spread over a long run.
   */
  constructor(folder: string, seed: number, { perPoint, atOnce }: { perPoint: number; atOnce: number }) {
    this.#perPoint = perPoint;
    this.#atOnce = atOnce;
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

  /** What the next start of a process gets: points that fewest have died at, and that no other waits for. */
  envFor(name: string): Record<string, string> {
    this.#handedOut.delete(name);
    const counts = this.counts;
    const waited = new Set([...this.#handedOut.values()].flat());
    const free = this.#order.filter((point) => !waited.has(point) && (counts[point] ?? 0) < this.#perPoint);
    const points = free
      .sort((one, other) => (counts[one] ?? 0) - (counts[other] ?? 0))
      .slice(0, this.#atOnce);
    const env = { CHAOS_DEATHS: this.#file };
    if (points.length === 0 || this.isOver) return env;
    this.#handedOut.set(name, points);
    const isOneOften = points.length === 1 && points.every((point) => !RARE.has(point));
    const passes = isOneOften ? this.#dice.whole(1, MOST_PASSES) : 1;
    return { ...env, CHAOS_DIE_AT: points.join(' '), CHAOS_DIE_AFTER: String(passes) };
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
