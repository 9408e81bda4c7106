import { MINUTE, monotonicMilliseconds } from '../platform/clock.ts';
import type { BudgetConnection } from './graph-budget-connection.ts';
import { type BudgetUse, WINDOW_MILLISECONDS } from './graph-pace.ts';

const PRUNE_INTERVAL = 1 * MINUTE;

/** Half a minute is one row for each mailbox in use: twenty rows are the window. */
const FLUSH = `insert into graph_usage (key, slice, requests, moves)
  select key, date_bin('30 seconds', now(), 'epoch'), requests, moves
  from unnest($1::text[], $2::int[], $3::int[]) as counted (key, requests, moves) order by key
  on conflict (key, slice) do update
    set requests = graph_usage.requests + excluded.requests, moves = graph_usage.moves + excluded.moves`;
/** The oldest slice counts whole: rather a little too much. */
const READ = `select key, sum(requests) as requests, sum(moves) as moves from graph_usage
  where key = any($1::text[]) and slice > now() - interval '630 seconds' group by key`;
const PRUNE = `delete from graph_usage where slice < now() - interval '15 minutes'`;
const PRUNE_PAUSES = `delete from graph_pause
  where coalesce(paused_until, '-infinity') < now() and coalesce(moves_paused_until, '-infinity') < now()`;

interface Tally extends BudgetUse {
  /** Of it, what the other processes do not know yet. */
  newRequests: number;
  newMoves: number;
  countedAt: number;
}

/** Counts the requests of all processes in a rolling window. They are written down together, every few seconds. */
export class BudgetUsage {
  readonly #connection: BudgetConnection;
  readonly #tallies = new Map<string, Tally>();
  #prunedAt = Number.NEGATIVE_INFINITY;

  constructor(connection: BudgetConnection) {
    this.#connection = connection;
  }

  /** Adds to the count; gives what was used in the window, as far as this process knows. */
  add(key: string, requests: number, isMove: boolean): BudgetUse {
    const tally = this.#tallies.get(key) ?? { used: 0, moves: 0, newRequests: 0, newMoves: 0, countedAt: 0 };
    const moves = isMove ? requests : 0;
    tally.used += requests;
    tally.moves += moves;
    tally.newRequests += requests;
    tally.newMoves += moves;
    tally.countedAt = monotonicMilliseconds();
    this.#tallies.set(key, tally);
    return tally;
  }

  /** The largest use of any mailbox that this process knows of. */
  largest(): number {
    return Math.max(0, ...[...this.#tallies.values()].map(({ used }) => used));
  }

  /** Writes down what is new and reads what all processes have used. Without a connection it is kept for later. */
  async flush(): Promise<void> {
    const known = [...this.#tallies];
    const counted = known.filter(([, { newRequests }]) => newRequests > 0);
    if (counted.length > 0) {
      const written = counted.map(([key, { newRequests, newMoves }]) => ({ key, newRequests, newMoves }));
      const done = await this.#connection.query({
        name: 'flush',
        text: FLUSH,
        values: [
          written.map(({ key }) => key),
          written.map(({ newRequests }) => newRequests),
          written.map(({ newMoves }) => newMoves),
        ],
      });
      if (done === null) return;
      for (const { key, newRequests, newMoves } of written) {
        const tally = this.#tallies.get(key);
        if (tally === undefined) continue;
        tally.newRequests -= newRequests;
        tally.newMoves -= newMoves;
      }
    }
    if (known.length > 0) await this.#read(known.map(([key]) => key));
    await this.#prune();
  }

  async #read(keys: string[]): Promise<void> {
    const rows = await this.#connection.query({ name: 'usage', text: READ, values: [keys] });
    if (rows === null) return;
    const found = new Map(rows.map((row) => [row['key'], row]));
    const now = monotonicMilliseconds();
    for (const key of keys) {
      const tally = this.#tallies.get(key);
      if (tally === undefined) continue;
      const row = found.get(key);
      tally.used = Number(row?.['requests'] ?? 0) + tally.newRequests;
      tally.moves = Number(row?.['moves'] ?? 0) + tally.newMoves;
      if (now - tally.countedAt > WINDOW_MILLISECONDS) this.#tallies.delete(key);
    }
  }

  async #prune(): Promise<void> {
    const now = monotonicMilliseconds();
    if (now - this.#prunedAt < PRUNE_INTERVAL || !this.#connection.isConnected) return;
    this.#prunedAt = now;
    await this.#connection.query({ text: PRUNE });
    await this.#connection.query({ text: PRUNE_PAUSES });
  }
}
