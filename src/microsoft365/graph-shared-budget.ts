import { randomUUID } from 'node:crypto';
import { Counter, Gauge, type Registry } from 'prom-client';
import { SECOND } from '../platform/clock.ts';
import type { Logger } from '../platform/logger.ts';
import { type BudgetGate, type GraphBudget, REQUESTS_PER_WINDOW } from './graph-budget.ts';
import { BUDGET_CHANNEL, BudgetConnection } from './graph-budget-connection.ts';
import type { PauseKind } from './graph-gate.ts';
import { paceOf } from './graph-pace.ts';
import { SharedSlots } from './graph-slots.ts';
import { BudgetUsage } from './graph-usage.ts';

const FLUSH_INTERVAL = 2 * SECOND;

const NOTIFY = `select pg_notify('${BUDGET_CHANNEL}', $1)`;
/** A longer pause stays; those who are inside already are told at once. */
const PAUSE = `with stored as (
    insert into graph_pause (key, paused_until, moves_paused_until)
    values ($1, now() + $2 * interval '1 millisecond', now() + $3 * interval '1 millisecond')
    on conflict (key) do update set paused_until = greatest(graph_pause.paused_until, excluded.paused_until),
      moves_paused_until = greatest(graph_pause.moves_paused_until, excluded.moves_paused_until)
  )
  select pg_notify('${BUDGET_CHANNEL}', $4)`;

export interface SharedBudgetOptions {
  /** A URL that reaches the server itself: a pooler in transaction mode carries neither session locks nor `LISTEN`. */
  databaseUrl: string;
  logger: Logger;
  /** Where the use of budgets is told; nowhere when left out. */
  registry?: Registry;
}

/**
 * The budgets of all processes on one database. When its connection is lost, this process keeps the limits by itself and
 * mail goes on; the connection comes back by itself.
 */
export function createSharedBudget(options: SharedBudgetOptions): GraphBudget {
  return new SharedBudget(options);
}

class SharedBudget implements GraphBudget {
  readonly #sender = randomUUID();
  readonly #connection: BudgetConnection;
  readonly #slots: SharedSlots;
  readonly #usage: BudgetUsage;
  readonly #requests: Counter<'kind'> | null;
  readonly #holding: Promise<void>;
  readonly #flushing: NodeJS.Timeout;
  #flush: Promise<void> = Promise.resolve();
  #gate: BudgetGate | null = null;

  constructor({ databaseUrl, logger, registry }: SharedBudgetOptions) {
    this.#connection = new BudgetConnection(databaseUrl, logger, {
      onConnected: () => this.#slots.reset(),
      onLost: () => this.#slots.reset(),
      onMessage: (payload) => this.#receive(payload),
    });
    this.#slots = new SharedSlots(this.#connection, {
      onChange: (key) => this.#gate?.advance(key),
      onPauses: (key, { all, moves }) => this.#slowDown(key, all, moves),
      announce: (verb, key) => this.#announce(`${verb} ${key}`),
    });
    this.#usage = new BudgetUsage(this.#connection);
    this.#requests = registry === undefined ? null : observe(registry, this.#usage);
    this.#holding = this.#connection.hold();
    this.#flushing = setInterval(() => {
      this.#flush = this.#flush.then(() => this.#usage.flush());
    }, FLUSH_INTERVAL).unref();
  }

  attach(gate: BudgetGate): void {
    this.#gate = gate;
  }

  held(key: string): number {
    return this.#slots.held(key);
  }

  need(...[key, need]: Parameters<GraphBudget['need']>): void {
    this.#slots.need(key, need);
  }

  pause(key: string, milliseconds: number, kind: PauseKind): void {
    const rounded = Math.ceil(milliseconds);
    const [all, moves] = kind === 'ALL' ? [rounded, null] : [null, rounded];
    const values = [key, all, moves, `${this.#sender} pause ${key} ${kind} ${rounded}`];
    void this.#connection.query({ name: 'pause', text: PAUSE, values });
  }

  count(key: string, requests: number, isMove: boolean): void {
    this.#requests?.inc({ kind: isMove ? 'move' : 'other' }, requests);
    const pace = paceOf(this.#usage.add(key, requests, isMove));
    this.#slowDown(key, pace.all, pace.moves);
  }

  #slowDown(key: string, all: number, moves: number): void {
    if (all > 0) this.#gate?.pause(key, all, 'ALL');
    if (moves > 0) this.#gate?.pause(key, moves, 'MOVES');
  }

  #announce(message: string): void {
    void this.#connection.query({ name: 'notify', text: NOTIFY, values: [`${this.#sender} ${message}`] });
  }

  #receive(payload: string): void {
    const [sender, verb, key = '', kind, milliseconds] = payload.split(' ');
    if (sender === this.#sender) return;
    if (verb === 'waits') this.#slots.onWaiting(key);
    else if (verb === 'free') this.#slots.onFree(key);
    else if (verb === 'pause') {
      const pause = Number(milliseconds);
      if (pause > 0) this.#gate?.pause(key, pause, kind === 'MOVES' ? 'MOVES' : 'ALL');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#flushing);
    await this.#flush;
    await this.#usage.flush();
    this.#slots.close();
    await this.#connection[Symbol.asyncDispose]();
    await this.#holding;
  }
}

/** Without names of mailboxes: there may be thousands. */
function observe(registry: Registry, usage: BudgetUsage): Counter<'kind'> {
  new Gauge({
    name: 'deskgraph_graph_budget_used_ratio',
    help: 'The largest share of the 10,000 requests in ten minutes that any mailbox known to this process has used.',
    registers: [registry],
    collect() {
      this.set(usage.largest() / REQUESTS_PER_WINDOW);
    },
  });
  return new Counter({
    name: 'deskgraph_graph_counted_requests_total',
    help: 'Requests that count against the budgets of mailboxes, each part of a batch by itself: moves, and all others.',
    labelNames: ['kind'],
    registers: [registry],
  });
}
