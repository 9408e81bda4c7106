import { monotonicMilliseconds } from '../platform/clock.ts';
import type { BudgetConnection, BudgetRow } from './graph-budget-connection.ts';
import { budgetLocks } from './graph-budget-key.ts';
import { SLOTS_PER_MAILBOX, type SlotNeed } from './graph-gate.ts';
import {
  allowance,
  CONTENDED_MILLISECONDS,
  IDLE_MILLISECONDS,
  planSlots,
  type SlotShare,
  TURN_MILLISECONDS,
} from './graph-slot-plan.ts';

/** The waits between two tries of a process that found all slots taken; it is mostly woken before. Jitter is added. */
const FIRST_RETRY_MILLISECONDS = 30;
const LONGEST_RETRY_MILLISECONDS = 250;
/** How long a process that handed back its slots stays back, so that those who waited come first. Jitter is added. */
const REST_MILLISECONDS = 15;

const NOTHING: SlotNeed = { used: 0, singles: 0, several: 0, isDraining: false };

/** One statement, one round trip: what is free of `locks`, and the pauses that were told to anybody. */
const ASK = `select array(select lock from unnest($1::bigint[]) as lock where pg_try_advisory_lock(lock))::text[] as locks,
  (select ceil(extract(epoch from paused_until - now()) * 1000) from graph_pause where key = $2 and paused_until > now()) as all_ms,
  (select ceil(extract(epoch from moves_paused_until - now()) * 1000) from graph_pause
   where key = $2 and moves_paused_until > now()) as moves_ms`;

/** Who is told what came of the asking. */
export interface SlotListener {
  /** More or fewer slots may be used now. */
  onChange(key: string): void;
  /** What another process was told to wait, in milliseconds from now. */
  onPauses(key: string, pauses: { all: number; moves: number }): void;
  /** The others shall know: `waits` for slots, or has given some `free`. */
  announce(verb: 'waits' | 'free', key: string): void;
}

interface Share extends SlotShare {
  key: string;
  locks: { slots: string[]; gathering: string };
  /** Indexes into `locks.slots`. */
  mine: Set<number>;
  isAsking: boolean;
  refusals: number;
  /** After it has handed back its slots. */
  restsUntil: number;
  /** After it found too few; at once when another process gives some back. */
  retriesAt: number;
  timer: NodeJS.Timeout | null;
}

/**
 * The slots of this process: session locks of PostgreSQL on one connection, so that those of a killed process are free in
 * the same instant. While there is no connection every slot counts as held: Microsoft's 429 is the judge then.
 */
export class SharedSlots {
  readonly #connection: BudgetConnection;
  readonly #listener: SlotListener;
  readonly #shares = new Map<string, Share>();

  constructor(connection: BudgetConnection, listener: SlotListener) {
    this.#connection = connection;
    this.#listener = listener;
  }

  held(key: string): number {
    if (!this.#connection.isConnected) return SLOTS_PER_MAILBOX;
    const share = this.#shares.get(key);
    return share === undefined ? 0 : allowance(share, monotonicMilliseconds());
  }

  need(key: string, need: SlotNeed): void {
    const known = this.#shares.get(key);
    if (known === undefined && !wants(need) && need.used === 0) return;
    const share = known ?? this.#add(key);
    share.need = need;
    this.#step(share);
  }

  /** Another process waits for slots of this mailbox. */
  onWaiting(key: string): void {
    const share = this.#shares.get(key);
    if (share === undefined || share.held === 0) return;
    const now = monotonicMilliseconds();
    share.contendedSince ??= now;
    share.contendedLast = now;
    this.#step(share);
  }

  /** Another process gave slots of this mailbox back. */
  onFree(key: string): void {
    const share = this.#shares.get(key);
    if (share === undefined || !wants(share.need)) return;
    share.retriesAt = 0;
    this.#step(share);
  }

  /** The connection stands, or is lost: either way nothing is held on it. */
  reset(): void {
    for (const share of this.#shares.values()) {
      share.mine.clear();
      Object.assign(share, { held: 0, isGathering: false, contendedSince: null, isAsking: false });
      this.#listener.onChange(share.key);
      this.#step(share);
    }
  }

  close(): void {
    for (const { timer } of this.#shares.values()) if (timer !== null) clearTimeout(timer);
    this.#shares.clear();
  }

  #add(key: string): Share {
    const share: Share = {
      key,
      locks: budgetLocks(key, SLOTS_PER_MAILBOX),
      mine: new Set(),
      held: 0,
      isGathering: false,
      gatheringSince: 0,
      mayNotGather: false,
      contendedSince: null,
      contendedLast: 0,
      need: NOTHING,
      isAsking: false,
      refusals: 0,
      restsUntil: 0,
      retriesAt: 0,
      timer: null,
    };
    this.#shares.set(key, share);
    return share;
  }

  #step(share: Share): void {
    if (!this.#connection.isConnected) return;
    const now = monotonicMilliseconds();
    // Who waited has gone: kept in mind, it would keep unused slots from ever being given back.
    if (now - share.contendedLast >= CONTENDED_MILLISECONDS) share.contendedSince = null;
    const plan = planSlots(share, now);
    if (plan.stopGathering) {
      share.isGathering = false;
      this.#unlock([share.locks.gathering]);
    }
    if (plan.release > 0) this.#handBack(share, plan.release, now);
    else if (plan.ask > 0 && !share.isAsking && now >= notBefore(share)) {
      // Leaving while the answer is on its way would make what it brings nobody's, and held for ever.
      if (share.timer !== null) clearTimeout(share.timer);
      share.timer = null;
      void this.#ask(share, plan.ask, plan.askToGather, plan.insists);
      return;
    }
    this.#wake(share, now, (plan.ask > 0 || (plan.release > 0 && wants(share.need))) && !share.isAsking);
  }

  #handBack(share: Share, count: number, now: number): void {
    const slots = [...share.mine].slice(0, count);
    for (const slot of slots) share.mine.delete(slot);
    share.held = share.mine.size;
    share.restsUntil = now + REST_MILLISECONDS * (1 + Math.random());
    if (share.held === 0) share.contendedSince = null;
    this.#unlock(slots.flatMap((slot) => share.locks.slots[slot] ?? []));
    this.#listener.announce('free', share.key);
  }

  async #ask(share: Share, count: number, toGather: boolean, insists: boolean): Promise<void> {
    share.isAsking = true;
    const wanted = share.locks.slots.flatMap((lock, slot) => (share.mine.has(slot) ? [] : [{ lock, slot }]));
    // Another slot first than the others ask for: two processes that each want one do not meet.
    const start = Math.floor(Math.random() * wanted.length);
    const order = [...wanted.slice(start), ...wanted.slice(0, start)];
    const tries = toGather ? [share.locks.gathering] : [];
    const rows = await this.#connection.query({
      name: 'ask',
      text: ASK,
      values: [[...tries, ...order.map(({ lock }) => lock)], share.key],
    });
    const [row] = rows ?? [];
    if (row === undefined) return; // lost: `reset` has cleared everything
    share.isAsking = false;
    const now = monotonicMilliseconds();
    const got = new Set(locksOf(row));
    if (toGather) {
      share.mayNotGather = !got.has(share.locks.gathering);
      share.isGathering = !share.mayNotGather;
      share.gatheringSince = now;
    }
    const slots = order.filter(({ lock }) => got.has(lock));
    for (const { slot } of slots.slice(0, count)) share.mine.add(slot);
    this.#unlock(slots.slice(count).map(({ lock }) => lock));
    share.held = share.mine.size;
    const isShort = slots.length < count;
    share.refusals = isShort ? share.refusals + 1 : 0;
    if (isShort) {
      if (insists) this.#listener.announce('waits', share.key);
      const wait = Math.min(FIRST_RETRY_MILLISECONDS * 2 ** (share.refusals - 1), LONGEST_RETRY_MILLISECONDS);
      share.retriesAt = now + wait * (0.5 + Math.random());
    }
    const all = Number(row['all_ms'] ?? 0);
    const moves = Number(row['moves_ms'] ?? 0);
    if (all > 0 || moves > 0) this.#listener.onPauses(share.key, { all, moves });
    this.#listener.onChange(share.key);
    this.#step(share);
  }

  #unlock(locks: readonly string[]): void {
    if (locks.length === 0) return;
    const text = 'select pg_advisory_unlock(lock) from unnest($1::bigint[]) as lock';
    void this.#connection.query({ name: 'unlock', text, values: [locks] });
  }

  /** Looks again when time alone changes what to do. */
  #wake(share: Share, now: number, mayAsk: boolean): void {
    if (share.timer !== null) clearTimeout(share.timer);
    share.timer = null;
    if (mayAsk) this.#lookAgain(share, notBefore(share) - now);
    else if (share.contendedSince !== null && share.held > 0) this.#lookAgain(share, TURN_MILLISECONDS + 1);
    else if (wants(share.need) || share.need.used > 0 || share.isAsking) return;
    else if (share.held === 0) this.#leave(share);
    else share.timer = setTimeout(() => this.#leave(share), IDLE_MILLISECONDS).unref();
  }

  #lookAgain(share: Share, milliseconds: number): void {
    const look = () => {
      this.#listener.onChange(share.key);
      this.#step(share);
    };
    share.timer = setTimeout(look, Math.max(1, Math.ceil(milliseconds))).unref();
  }

  /** Nobody came for a while, or nothing is held but the right to gather. */
  #leave(share: Share): void {
    const locks = [...share.mine].flatMap((slot) => share.locks.slots[slot] ?? []);
    if (share.isGathering) locks.push(share.locks.gathering);
    this.#shares.delete(share.key);
    this.#unlock(locks);
  }
}

function notBefore({ restsUntil, retriesAt }: Share): number {
  return Math.max(restsUntil, retriesAt);
}

function wants({ singles, several }: SlotNeed): boolean {
  return singles > 0 || several > 0;
}

function locksOf(row: BudgetRow): string[] {
  const { locks } = row;
  return Array.isArray(locks) ? locks : [];
}
