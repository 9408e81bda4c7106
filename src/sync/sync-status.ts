import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { SyncRun } from './sync-run.entity.ts';
import { SyncState } from './sync-state.entity.ts';

/** What the sync of a mailbox does at the moment. */
export const SYNC_STATES = ['DISABLED', 'IDLE', 'QUEUED', 'RUNNING', 'FAILING'] as const;
export type SyncStateName = (typeof SYNC_STATES)[number];

/** How new mail is noticed. */
export const DELIVERIES = ['POLLING'] as const;
export type Delivery = (typeof DELIVERIES)[number];

/** The sync of a mailbox at a glance. */
export class SyncStatus {
  readonly mailboxId: string;
  readonly state: SyncStateName;
  readonly delivery: Delivery;
  readonly deliveryReason: string;
  readonly lastRun: SyncRun | null;
  readonly nextPollAt: Date | null;
  readonly lastSuccessAt: Date | null;
  readonly problem: Problem | null;

  constructor(mailbox: Mailbox, state: SyncState | null, open: SyncRun | null, lastRun: SyncRun | null) {
    this.mailboxId = mailbox.id;
    this.state = nameOf(mailbox, state, open);
    this.delivery = 'POLLING';
    this.deliveryReason = `The folder is read every ${mailbox.syncIntervalMinutes} min.`;
    this.lastRun = lastRun;
    this.nextPollAt = mailbox.incomingEnabled ? (state?.nextPollAt ?? null) : null;
    this.lastSuccessAt = state?.lastSuccessAt ?? null;
    this.problem = state?.problem ?? null;
  }
}

/** Reads the status of a mailbox; null when there is no such mailbox in the organization. Three statements. */
export async function readSyncStatus(em: EntityManager, mailboxId: string): Promise<SyncStatus | null> {
  const mailbox = await em.findOne(Mailbox, { id: mailboxId });
  if (!mailbox) return null;
  const state = await em.findOne(SyncState, { mailbox: mailboxId });
  const [open] = await em.find(
    SyncRun,
    { mailbox: mailboxId, state: { $in: ['QUEUED', 'RUNNING'] } },
    { orderBy: { startedAt: 'desc nulls last' }, limit: 1 },
  );
  const [last] = await em.find(
    SyncRun,
    { mailbox: mailboxId, state: { $nin: ['QUEUED', 'RUNNING'] } },
    { orderBy: { createdAt: 'desc', id: 'desc' }, limit: 1 },
  );
  return new SyncStatus(mailbox, state, open ?? null, last ?? null);
}

function nameOf(mailbox: Mailbox, state: SyncState | null, open: SyncRun | null): SyncStateName {
  if (!mailbox.incomingEnabled) return 'DISABLED';
  if (open) return open.state === 'RUNNING' ? 'RUNNING' : 'QUEUED';
  return state?.problem ? 'FAILING' : 'IDLE';
}
