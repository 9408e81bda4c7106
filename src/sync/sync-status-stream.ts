import type { EventBus } from '../realtime/event-bus.ts';
import { mapStream } from '../realtime/map-stream.ts';
import { type StreamOptions, streamEvents } from '../realtime/stream.ts';

/** The sync of a mailbox has changed; what it is now is read at delivery. */
export interface SyncStatusEvent {
  cursor: string;
  mailboxId: string;
}

/** Streams the changes of the sync of one mailbox, or of all when `only` is null. Throws what `streamEvents` throws. */
export function syncStatusEvents(
  bus: EventBus,
  options: Omit<StreamOptions<'sync-status.changed'>, 'types'>,
  only: string | null,
): AsyncIterableIterator<SyncStatusEvent> {
  const events = streamEvents(bus, { ...options, types: ['sync-status.changed'] });
  return mapStream(events, ({ cursor, event }) =>
    only === null || event.mailboxId === only ? { cursor, mailboxId: event.mailboxId } : null,
  );
}
