import { forkFor } from '../platform/database.ts';
import type { EventBus } from '../realtime/event-bus.ts';
import { mapStream } from '../realtime/map-stream.ts';
import { streamEvents } from '../realtime/stream.ts';
import { Account } from './account.entity.ts';

/** An account whose status changed. */
export interface AccountEvent {
  cursor: string;
  account: Account;
}

/** What to follow. */
export interface AccountStreamOptions {
  organizationId: string;
  after?: string | null | undefined;
  signal: AbortSignal;
}

/**
 * The accounts of one organization whose status changes, each as it is when it is delivered, read through an entity
 * manager of its own; one that is gone by then is left out. Throws as streamEvents does.
 */
export function streamAccounts(
  bus: EventBus,
  { organizationId, after, signal }: AccountStreamOptions,
): AsyncIterableIterator<AccountEvent, undefined> {
  const events = streamEvents(bus, { organizationId, types: ['account-status.changed'], after, signal });
  return mapStream(events, async ({ cursor, event }) => {
    const account = await forkFor(bus.database, organizationId).findOne(Account, event.accountId);
    return account && { cursor, account };
  });
}
