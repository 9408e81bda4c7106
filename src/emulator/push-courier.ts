import type { EmulatorClock } from './clock.ts';
import { noTraffic, type PushTraffic } from './push-counts.ts';
import {
  ENDPOINT_WINDOW_MS,
  type EndpointHealth,
  type EndpointState,
  endpointState,
  newEndpoint,
  recordAnswer,
} from './push-endpoint.ts';
import {
  addItem,
  backoffMs,
  hasten,
  newLane,
  nextDue,
  type PushBatch,
  type PushItem,
  type PushLane,
  type PushVerdict,
  takeBatch,
} from './push-lane.ts';
import { type PushAnswer, pushPost } from './push-post.ts';
import { attemptTimeoutMs, type PushSettings, retryTimeoutMs } from './push-settings.ts';

/** After this time, by the emulator's clock, a notification is given up. */
export const GIVE_UP_MS = 4 * 60 * 60 * 1000;
/** Notifications on their way over all endpoints; more are dropped. */
const MOST_QUEUED = 50_000;
/** Requests under way to one URL. */
const MOST_UNDER_WAY = 8;
/** Hosts whose answers are remembered; the oldest are forgotten first. */
const MOST_ENDPOINTS = 1_000;
const LONGEST_TIMER_MS = 60 * 60 * 1000;

/** What the courier asks of, and tells, the one who knows the subscriptions. */
export interface CourierOffice {
  /** What to do with an item whose time has come. Counts what it discards. */
  judge(item: PushItem): PushVerdict;
  /** An item has left the queue. */
  settled(item: PushItem, outcome: 'delivered' | 'failed' | 'dropped'): void;
  /** Called at every round; gives when the next is wanted at the latest, infinite for never. */
  upkeep(now: number): number;
}

/**
 * Brings notifications to their URLs: collects, tries, tries again with growing waits for up to four hours, and treats
 * slow endpoints as Microsoft does. One timer for everything, which runs by the emulator's clock; moving the clock is
 * a round of its own. Nothing here throws to its caller.
 */
export class PushCourier {
  readonly #clock: EmulatorClock;
  readonly #settings: PushSettings;
  readonly #office: CourierOffice;
  readonly #lanes = new Map<string, PushLane>();
  /** By host, with its port. */
  readonly #endpoints = new Map<string, EndpointHealth>();
  readonly #underWay = new Set<Promise<void>>();
  #traffic = noTraffic();
  #timer: NodeJS.Timeout | undefined;
  #armedFor = Number.POSITIVE_INFINITY;
  #abort = new AbortController();
  #isClosed = false;

  constructor(clock: EmulatorClock, settings: PushSettings, office: CourierOffice) {
    this.#clock = clock;
    this.#settings = settings;
    this.#office = office;
    clock.onMove(() => this.round());
  }

  /** Cuts off what is under way when the emulator is reset or closed; for handshakes and probes as well. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get traffic(): PushTraffic {
    return this.#traffic;
  }

  /** The endpoints that are known, and what becomes of new notifications to them. */
  endpoints(): { host: string; state: EndpointState }[] {
    const now = this.#clock.now();
    return [...this.#endpoints].map(([host, health]) => ({ host, state: endpointState(health, now) }));
  }

  /** Takes a notification on. A full queue and an endpoint far too slow drop it; lifecycle events are always taken. */
  send(url: string, item: PushItem): void {
    const health = this.#endpoint(url);
    const now = this.#clock.now();
    const state = endpointState(health, now);
    const isFull = this.#traffic.queued >= MOST_QUEUED * (item.isLifecycle ? 2 : 1);
    if (isFull || (state === 'dropping' && !item.isLifecycle)) {
      if (!item.isLifecycle) health.missedBy.add(item.subscriptionId);
      this.#office.settled(item, 'dropped');
      return;
    }
    const lane = this.#lanes.get(url) ?? newLane(url);
    this.#lanes.set(url, lane);
    const wait = state === 'slow' && !item.isLifecycle ? ENDPOINT_WINDOW_MS : 0;
    addItem(lane, { ...item, dueAt: item.dueAt + wait });
    this.#queued(1);
    this.#arm(item.dueAt + wait);
  }

  /** The subscriptions that lost notifications in windows that are over: each is told once. */
  takeMissed(now: number): string[] {
    const missed: string[] = [];
    for (const health of this.#endpoints.values()) {
      if (health.missedBy.size === 0 || now < health.dropUntil || this.#traffic.queued >= MOST_QUEUED)
        continue;
      missed.push(...health.missedBy);
      health.missedBy.clear();
    }
    return missed;
  }

  /** When `takeMissed` has something to give; infinite for never. */
  missedAt(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const { missedBy, dropUntil } of this.#endpoints.values()) {
      if (missedBy.size > 0) earliest = Math.min(earliest, dropUntil);
    }
    return earliest;
  }

  /** Notifications of a subscription that wait for its authorization go out now. */
  hasten(subscriptionId: string): void {
    for (const lane of this.#lanes.values()) hasten(lane, subscriptionId, this.#clock.now());
    this.round();
  }

  /** Looks at everything that is due, and sets the timer for what comes next. */
  round(): void {
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#armedFor = Number.POSITIVE_INFINITY;
    const now = this.#clock.now();
    let next = this.#office.upkeep(now);
    for (const lane of this.#settings.paused ? [] : this.#lanes.values()) {
      this.#pump(lane, now);
      // A lane that is full goes on when one of its requests ends.
      if (lane.underWay < MOST_UNDER_WAY) next = Math.min(next, nextDue(lane));
    }
    this.#arm(next);
  }

  /** Forgets everything, and cuts off what is under way. */
  reset(): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    clearTimeout(this.#timer);
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#lanes.clear();
    this.#endpoints.clear();
    this.#traffic = noTraffic();
  }

  /** Leaves no timer and no socket behind. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#abort.abort();
    await Promise.all(this.#underWay);
  }

  #pump(lane: PushLane, now: number): void {
    const { batchMs, reorder } = this.#settings;
    const judge = (item: PushItem): PushVerdict => {
      const verdict = this.#office.judge(item);
      if (verdict === 'discard') this.#queued(-1);
      return verdict;
    };
    while (lane.underWay < MOST_UNDER_WAY) {
      const batch = takeBatch(lane, now, batchMs, reorder, judge);
      if (batch === null) break;
      const attempt = this.#attempt(lane, batch).finally(() => this.#underWay.delete(attempt));
      this.#underWay.add(attempt);
    }
    if (lane.underWay === 0 && lane.items.length === 0 && lane.retries.length === 0) {
      this.#lanes.delete(lane.url);
    }
  }

  async #attempt(lane: PushLane, batch: PushBatch): Promise<void> {
    const { signal } = this;
    const traffic = this.#traffic;
    lane.underWay += 1;
    traffic.requests += 1;
    traffic.underWay += 1;
    traffic.peakUnderWay = Math.max(traffic.peakUnderWay, traffic.underWay);
    const answer = await pushPost({
      url: new URL(lane.url),
      contentType: 'application/json; charset=utf-8',
      body: JSON.stringify({ value: batch.items.map(({ notification }) => notification) }),
      timeoutMs: attemptTimeoutMs(this.#settings, batch.attempts),
      signal,
    });
    lane.underWay -= 1;
    traffic.underWay -= 1;
    if (signal.aborted) return; // a reset or the end: nothing of this counts any more
    this.#record(lane.url, answer, batch.attempts);
    batch.attempts += 1;
    if (answer.kind === 'answered' && answer.status >= 200 && answer.status < 300) {
      for (const item of batch.items) this.#settle(item, 'delivered');
    } else {
      traffic.failedRequests += 1;
      this.#retryLater(lane, batch);
    }
    this.round();
  }

  #retryLater(lane: PushLane, batch: PushBatch): void {
    const now = this.#clock.now();
    batch.dueAt = now + backoffMs(batch.attempts, this.#settings.retryScale);
    const isWorthIt = ({ raisedAt }: PushItem): boolean => batch.dueAt - raisedAt <= GIVE_UP_MS;
    for (const item of batch.items) if (!isWorthIt(item)) this.#settle(item, 'failed');
    batch.items = batch.items.filter(isWorthIt);
    if (batch.items.length > 0) lane.retries.push(batch);
  }

  #record(url: string, answer: PushAnswer, attemptsBefore: number): void {
    // An endpoint that cannot be reached is down, not slow.
    if (answer.kind !== 'answered' && answer.kind !== 'timeout') return;
    const isTimeout = answer.kind === 'timeout';
    // A first attempt is cut off after 3 s: it cannot show that an answer would have taken 10.
    const isVerySlow = isTimeout ? attemptsBefore > 0 : answer.milliseconds >= retryTimeoutMs(this.#settings);
    const isSlow = isTimeout || answer.milliseconds >= this.#settings.latencySlowMs;
    if (isSlow) this.#traffic.slowRequests += 1;
    recordAnswer(this.#endpoint(url), this.#clock.now(), isVerySlow ? 'verySlow' : isSlow ? 'slow' : 'fast');
  }

  #settle(item: PushItem, outcome: 'delivered' | 'failed'): void {
    this.#queued(-1);
    this.#office.settled(item, outcome);
  }

  #queued(change: 1 | -1): void {
    this.#traffic.queued += change;
    this.#traffic.peakQueued = Math.max(this.#traffic.peakQueued, this.#traffic.queued);
  }

  #endpoint(url: string): EndpointHealth {
    const { host } = new URL(url);
    const known = this.#endpoints.get(host);
    if (known !== undefined) return known;
    const fresh = newEndpoint();
    this.#endpoints.set(host, fresh);
    if (this.#endpoints.size > MOST_ENDPOINTS) this.#forgetEndpoint();
    return fresh;
  }

  #forgetEndpoint(): void {
    const [oldest] = this.#endpoints.keys();
    if (oldest !== undefined) this.#endpoints.delete(oldest);
  }

  #arm(at: number): void {
    if (this.#isClosed || at >= this.#armedFor) return;
    clearTimeout(this.#timer);
    this.#armedFor = at;
    const wait = Math.min(Math.max(at - this.#clock.now(), 0), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => this.round(), wait).unref();
  }
}
