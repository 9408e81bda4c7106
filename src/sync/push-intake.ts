import { toError } from '../errors.ts';
import { type Clock, monotonicMilliseconds, SECOND } from '../platform/clock.ts';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import { equalSecrets, type SecretBox } from '../platform/secrets.ts';
import {
  type Announcement,
  acceptLifecycleEvents,
  acceptNotifications,
  findSubscriptions,
  type KnownSubscription,
  type LifecycleEvent,
} from './push-notifications.ts';
import { clientStateContext } from './push-subscriptions.ts';

/** Microsoft waits for three seconds; a "not now" within them is retried, a late "yes" counts as slow. */
const STORE_DEADLINE = 2.5 * SECOND;
/** Batches at a time. */
const MOST_BATCHES = 2;
/**
 * How long a batch may be under way before the next one begins beside it: it may be waiting for a lock that the others do
 * not need. Before that, the next would mostly wait for rows of this one, and be the smaller for it.
 */
const PATIENCE = 100;
/** Notifications of one batch, but for a single request that has more. */
const LARGEST_BATCH = 2_000;
/** Client states that are kept open, each some two hundred bytes. */
const MOST_SECRETS = 10_000;
/** Notifications that may wait: more would not be stored in time, and cost memory meanwhile. */
const MOST_WAITING = 50_000;

/** What a notification says, or claims. */
export interface ClaimedNotification {
  subscriptionId: string;
  clientState: string;
  /** Null for a change of a folder; `UNKNOWN` for an event that Microsoft invents some day. */
  lifecycleEvent: LifecycleEvent | 'UNKNOWN' | null;
}

/** What became of notifications. */
export interface IntakeCounts {
  accepted: number;
  /** Of a subscription that is not ours, or an event that we do not know. */
  unknown: number;
  /** With another secret than the subscription's. */
  forged: number;
  /** Lifecycle events that were accepted. */
  lifecycle: readonly LifecycleEvent[];
}

/** What the intake needs. */
export interface PushIntakeOptions {
  /** Of the intake's own: waiting for a connection behind slow queries, it would miss Microsoft's deadline. */
  database: Database;
  secretBox: SecretBox;
  clock: Clock;
  logger: Logger;
  /** Called when they are stored: what comes again is counted then. */
  onStored: (counts: IntakeCounts) => void;
}

/** Takes notifications in. */
export interface PushIntake {
  /**
   * Judges the notifications of a request, and stores those that are true. Resolves when that is committed; throws when it
   * could not be, within {@link STORE_DEADLINE} at the latest.
   */
  take(notifications: readonly ClaimedNotification[]): Promise<void>;
}

interface Request {
  notifications: readonly ClaimedNotification[];
  /** A monotonic reading. */
  dueAt: number;
  resolve: () => void;
  reject: (error: Error) => void;
}

/**
 * Makes the intake. Requests that arrive while others are being stored are stored together, in one statement: a burst
 * costs the database hardly more than a single notification, and requests that name the same mailbox do not wait for each
 * other's locks.
 */
export function createPushIntake(options: PushIntakeOptions): PushIntake {
  const waiting: Request[] = [];
  let waitingCount = 0;
  /** When each batch under way began, a monotonic reading. */
  const underWay = new Set<number>();
  const isTrue = createJudge(options.secretBox, options.logger);

  function next(): void {
    const now = monotonicMilliseconds();
    const mayBegin =
      underWay.size < MOST_BATCHES && [...underWay].every((begunAt) => begunAt + PATIENCE <= now);
    if (waiting.length === 0 || !mayBegin) return;
    underWay.add(now);
    // Two of the same instant would be one entry of the set; patience keeps them apart.
    const impatience = setTimeout(next, PATIENCE + 1);
    void storeBatch(cutBatch()).finally(() => {
      clearTimeout(impatience);
      underWay.delete(now);
      next();
    });
  }

  function cutBatch(): Request[] {
    let size = 0;
    let count = 0;
    for (const { notifications } of waiting) {
      size += notifications.length;
      if (count > 0 && size > LARGEST_BATCH) break;
      count += 1;
    }
    const batch = waiting.splice(0, count);
    waitingCount -= batch.reduce((sum, { notifications }) => sum + notifications.length, 0);
    // Who was told "not now" meanwhile asks again: stored twice, it would only cost those behind it.
    return batch.filter(({ dueAt }) => dueAt > monotonicMilliseconds());
  }

  /** Never throws. What spoils a batch, a row that is locked or that breaks a constraint, spoils only its own request. */
  async function storeBatch(batch: readonly Request[]): Promise<void> {
    if (batch.length === 0) return;
    try {
      await store(
        options,
        isTrue,
        batch.flatMap(({ notifications }) => notifications),
      );
      for (const { resolve } of batch) resolve();
    } catch (thrown) {
      const now = monotonicMilliseconds();
      if (batch.length === 1 || !isFaultOfSome(thrown) || batch.every(({ dueAt }) => dueAt <= now)) {
        for (const { reject } of batch) reject(toError(thrown));
        return;
      }
      const half = Math.ceil(batch.length / 2);
      // Beside each other: what is held up by a lock holds up the other half no more.
      await Promise.all([storeBatch(batch.slice(0, half)), storeBatch(batch.slice(half))]);
    }
  }

  return {
    async take(notifications) {
      if (waitingCount + notifications.length > MOST_WAITING) {
        throw new Error(`More than ${MOST_WAITING} notifications wait to be stored.`);
      }
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const dueAt = monotonicMilliseconds() + STORE_DEADLINE;
      const late = () =>
        reject(new Error(`The database did not answer within ${STORE_DEADLINE / SECOND} s.`));
      const timer = setTimeout(late, STORE_DEADLINE);
      waiting.push({ notifications, dueAt, resolve, reject });
      waitingCount += notifications.length;
      // Not at once: what has arrived in the same turn of the event loop goes along.
      setImmediate(next);
      try {
        await promise;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

async function store(
  { database, clock, logger, onStored }: PushIntakeOptions,
  isTrue: Judge,
  notifications: readonly ClaimedNotification[],
): Promise<void> {
  const em = forkAcrossOrganizations(database);
  const known = await findSubscriptions(em, [
    ...new Set(notifications.map(({ subscriptionId }) => subscriptionId)),
  ]);
  const announced = new Map<string, Announcement>();
  const told = new Map<string, { subscription: KnownSubscription; event: LifecycleEvent }>();
  const counts = { accepted: 0, unknown: 0, forged: 0 };
  for (const { subscriptionId, clientState, lifecycleEvent } of notifications) {
    const subscription = known.get(subscriptionId);
    if (!subscription || lifecycleEvent === 'UNKNOWN') counts.unknown += 1;
    else if (!isTrue(subscription, clientState)) counts.forged += 1;
    else {
      counts.accepted += 1;
      if (lifecycleEvent === null) {
        const count = (announced.get(subscription.id)?.count ?? 0) + 1;
        announced.set(subscription.id, { subscription, count });
      } else told.set(`${subscription.id} ${lifecycleEvent}`, { subscription, event: lifecycleEvent });
    }
  }
  const now = clock.now();
  if (announced.size > 0) await acceptNotifications(em, [...announced.values()], now);
  if (told.size > 0) await em.transactional((tx) => acceptLifecycleEvents(tx, [...told.values()], now));
  onStored({ ...counts, lifecycle: [...told.values()].map(({ event }) => event) });
  if (counts.unknown + counts.forged > 0) logger.warn(counts, 'notifications that are not ours');
}

/** Says whether a client state is the subscription's. */
type Judge = (subscription: KnownSubscription, clientState: string) => boolean;

/** Keeps what it has opened: opening costs more than all the rest that is done to a notification. */
function createJudge(secretBox: SecretBox, logger: Logger): Judge {
  /** By what is sealed, which is another one each time: what stands here can never be out of date. */
  const opened = new Map<string, string>();
  return ({ id, sealedClientState }, clientState) => {
    let secret = opened.get(sealedClientState);
    if (secret === undefined) {
      try {
        secret = secretBox.open(sealedClientState, clientStateContext(id));
      } catch (thrown) {
        logger.error({ err: toError(thrown), pushSubscriptionId: id }, 'a client state cannot be opened');
        return false;
      }
      if (opened.size >= MOST_SECRETS) opened.clear();
      opened.set(sealedClientState, secret);
    }
    return equalSecrets(secret, clientState);
  };
}

/**
 * Whether PostgreSQL refused something in particular (data 22, constraint 23, deadlock 40, limit 54, lock 55), rather than
 * being away: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
function isFaultOfSome(thrown: unknown): boolean {
  const { code } = toError(thrown) as Error & { code?: unknown };
  return typeof code === 'string' && /^(22|23|40|54|55)[0-9A-Z]{3}$/.test(code);
}
