import type { ChangeNotification } from '@microsoft/microsoft-graph-types';

/** A notification on its way. Instants are milliseconds since 1970 by the emulator's clock. */
export interface PushItem {
  subscriptionId: string;
  isLifecycle: boolean;
  notification: ChangeNotification;
  raisedAt: number;
  dueAt: number;
}

/** What goes out in one request, and again after a failure. */
export interface PushBatch {
  items: PushItem[];
  /** Attempts so far. */
  attempts: number;
  dueAt: number;
}

/** Everything on its way to one URL. */
export interface PushLane {
  url: string;
  /** Not yet tried; ascending by `dueAt`. */
  items: PushItem[];
  /** Tried and failed. */
  retries: PushBatch[];
  /** Requests under way. */
  underWay: number;
}

/** What becomes of an item whose time has come. */
export type PushVerdict = 'send' | 'hold' | 'discard';

/** Microsoft does not say how many it puts into one request; more than one has to be expected. */
const MOST_ITEMS_PER_REQUEST = 100;
/** An item that is held is looked at again after this time, unless something happens before. */
const HOLD_MS = 60 * 1000;
const SECOND = 1000;
/** The waits between attempts double from the first to the longest. */
const FIRST_BACKOFF_MS = 15 * SECOND;
/** However small the scale: an endpoint that is down must not keep the emulator busy. */
const LEAST_BACKOFF_MS = 10;
const LONGEST_BACKOFF_MS = 30 * 60 * SECOND;

/** Nothing on its way. */
export function newLane(url: string): PushLane {
  return { url, items: [], retries: [], underWay: 0 };
}

/** Adds an item at its place in time. */
export function addItem(lane: PushLane, item: PushItem): void {
  let index = lane.items.length;
  while (index > 0 && (lane.items[index - 1]?.dueAt ?? 0) > item.dueAt) index -= 1;
  lane.items.splice(index, 0, item);
}

/**
 * The next request to make: a retry that is due, or what was collected since the oldest item that is due. Null when
 * nothing is due. `judge` is asked for each item; `collectMs` is how long notifications are collected at most.
 */
export function takeBatch(
  lane: PushLane,
  now: number,
  collectMs: number,
  newestFirst: boolean,
  judge: (item: PushItem) => PushVerdict,
): PushBatch | null {
  const index = lane.retries.findIndex(({ dueAt }) => dueAt <= now);
  const [retry] = index < 0 ? [] : lane.retries.splice(index, 1);
  if (retry !== undefined) {
    retry.items = sorted(lane, retry.items, now, judge);
    return retry.items.length > 0 ? retry : takeBatch(lane, now, collectMs, newestFirst, judge);
  }
  while ((lane.items[0]?.dueAt ?? Number.POSITIVE_INFINITY) <= now) {
    const end = lane.items.findIndex(({ dueAt }) => dueAt > now + collectMs);
    const most = Math.min(end < 0 ? lane.items.length : end, MOST_ITEMS_PER_REQUEST);
    const taken = newestFirst
      ? lane.items.splice((end < 0 ? lane.items.length : end) - most, most).reverse()
      : lane.items.splice(0, most);
    const items = sorted(lane, taken, now, judge);
    if (items.length > 0) return { items, attempts: 0, dueAt: now };
  }
  return null;
}

/** When to look at the lane again; infinite when nothing waits. */
export function nextDue(lane: PushLane): number {
  return lane.retries.reduce(
    (earliest, { dueAt }) => Math.min(earliest, dueAt),
    lane.items[0]?.dueAt ?? Number.POSITIVE_INFINITY,
  );
}

/** What waits in the lane for a subscription is due at once, such as after a reauthorization. */
export function hasten(lane: PushLane, subscriptionId: string, now: number): void {
  for (const item of lane.items) {
    if (item.subscriptionId === subscriptionId) item.dueAt = Math.min(item.dueAt, now);
  }
  lane.items.sort((a, b) => a.dueAt - b.dueAt);
}

/** How long to wait after so many failed attempts. */
export function backoffMs(attempts: number, scale: number): number {
  const wait = Math.min(FIRST_BACKOFF_MS * 2 ** (attempts - 1), LONGEST_BACKOFF_MS) * scale;
  return Math.max(wait, LEAST_BACKOFF_MS);
}

/** Those to send; the held ones go back into the lane. */
function sorted(
  lane: PushLane,
  items: readonly PushItem[],
  now: number,
  judge: (item: PushItem) => PushVerdict,
): PushItem[] {
  return items.filter((item) => {
    const verdict = judge(item);
    if (verdict === 'hold') addItem(lane, { ...item, dueAt: now + HOLD_MS });
    return verdict === 'send';
  });
}
