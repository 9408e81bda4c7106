import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { batching } from '../platform/batching.ts';
import type { EntityManager } from '../platform/database.ts';
import { findPages } from '../platform/keyset-pages.ts';
import type { Problem } from '../platform/problem.ts';
import { type DeliveryStatus, deliveryOf } from './push-delivery.ts';
import type { PushEnvironment } from './push-environment.ts';
import { PushSubscription } from './push-subscription.entity.ts';
import { SyncRun } from './sync-run.entity.ts';
import { SyncState } from './sync-state.entity.ts';

/** What the sync of a mailbox does at the moment. */
export const SYNC_STATES = ['DISABLED', 'IDLE', 'QUEUED', 'RUNNING', 'PAUSED', 'FAILING'] as const;
export type SyncStateName = (typeof SYNC_STATES)[number];

/** The sync of a mailbox at a glance. */
export class SyncStatus {
  readonly mailboxId: string;
  readonly organizationId: string;
  /** IANA's name of the zone in which people read its times. */
  readonly timeZone: string;
  readonly state: SyncStateName;
  /** The current subscription for notifications; null when there is none. */
  readonly pushSubscription: PushSubscription | null;
  readonly lastRun: SyncRun | null;
  readonly nextPollAt: Date | null;
  readonly lastSuccessAt: Date | null;
  readonly problem: Problem | null;
  /** Until when Microsoft wants to be left alone; null when it does not. */
  readonly resumesAt: Date | null;
  readonly #mailbox: Mailbox;

  constructor(
    mailbox: Mailbox,
    state: SyncState | null,
    { open, lastRun }: { open: SyncRun | null; lastRun: SyncRun | null },
    pushSubscription: PushSubscription | null,
  ) {
    this.#mailbox = mailbox;
    this.mailboxId = mailbox.id;
    this.organizationId = mailbox.organization.id;
    this.timeZone = mailbox.timeZone;
    this.state = nameOf(mailbox, state, open);
    this.pushSubscription = pushSubscription;
    this.lastRun = lastRun;
    this.nextPollAt = mailbox.incomingEnabled ? (state?.nextPollAt ?? null) : null;
    this.lastSuccessAt = state?.lastSuccessAt ?? null;
    const isPaused = this.state === 'PAUSED';
    this.problem = state?.problem ?? (isPaused ? (lastRun?.problem ?? null) : null);
    this.resumesAt = isPaused ? (state?.resumesAt ?? null) : null;
  }

  /** How new mail is noticed. */
  deliveryIn(environment: PushEnvironment, now: Date): DeliveryStatus {
    return deliveryOf(environment, this.#mailbox, this.pushSubscription, now);
  }
}

/**
 * Reads the status of a mailbox; null when there is no such mailbox in the organization. Five statements, for a page of
 * mailboxes as well.
 */
export async function readSyncStatus(em: EntityManager, mailboxId: string): Promise<SyncStatus | null> {
  return (await loadStatus(em, mailboxId)) ?? null;
}

const loadStatus = batching(async (em, mailboxIds: readonly string[]) => {
  const ids = [...mailboxIds];
  const mailboxes = await em.find(Mailbox, { id: { $in: ids } });
  const states = await em.find(SyncState, { mailbox: { $in: ids } });
  // Two of a mailbox at most: one that runs, and one that waits.
  const open = await em.find(
    SyncRun,
    { mailbox: { $in: ids }, state: { $in: ['QUEUED', 'RUNNING'] } },
    { orderBy: { startedAt: 'desc nulls last' } },
  );
  const ended = await findPages(
    em,
    SyncRun,
    { parent: 'mailbox', parentIds: ids, where: { state: { $nin: ['QUEUED', 'RUNNING'] } } },
    { key: 'createdAt', direction: 'desc' },
    { first: 1 },
  );
  const subscriptions = await em.find(PushSubscription, { mailbox: { $in: ids }, replacedAt: null });
  const subscriptionOf = new Map(subscriptions.map((current) => [current.mailbox.id, current]));
  const stateOf = new Map(states.map((state) => [state.mailbox.id, state]));
  return new Map(
    mailboxes.map((mailbox) => {
      const runs = {
        open: open.find((run) => run.mailbox.id === mailbox.id) ?? null,
        lastRun: ended.get(mailbox.id)?.edges[0]?.node ?? null,
      };
      const state = stateOf.get(mailbox.id) ?? null;
      return [mailbox.id, new SyncStatus(mailbox, state, runs, subscriptionOf.get(mailbox.id) ?? null)];
    }),
  );
});

function nameOf(mailbox: Mailbox, state: SyncState | null, open: SyncRun | null): SyncStateName {
  if (!mailbox.incomingEnabled) return 'DISABLED';
  if (open?.state === 'RUNNING') return 'RUNNING';
  // The run that goes on waits for the same instant: a run that takes it takes it back.
  if (state?.resumesAt) return 'PAUSED';
  if (open) return 'QUEUED';
  return state?.problem ? 'FAILING' : 'IDLE';
}
