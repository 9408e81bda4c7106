import { batching } from '../platform/batching.ts';
import { findPages } from '../platform/keyset-pages.ts';
import type { EventBus } from '../realtime/event-bus.ts';
import { mapStream } from '../realtime/map-stream.ts';
import { type StreamOptions, streamEvents } from '../realtime/stream.ts';
import { MailImport } from './mail-import.entity.ts';

/** An import has progressed; how far is read at delivery. */
export interface ImportEvent {
  cursor: string;
  mailboxId: string;
  mailImportId: string;
}

/** Streams the progress of the imports of one mailbox, or of all when `only` is null. Throws what `streamEvents` throws. */
export function importEvents(
  bus: EventBus,
  options: Omit<StreamOptions<'mail-import.progressed'>, 'types'>,
  only: string | null,
): AsyncIterableIterator<ImportEvent> {
  const events = streamEvents(bus, { ...options, types: ['mail-import.progressed'] });
  return mapStream(events, ({ cursor, event: { mailboxId, mailImportId } }) =>
    only === null || mailboxId === only ? { cursor, mailboxId, mailImportId } : null,
  );
}

/** The newest import of a mailbox; undefined when there was none. For a page of mailboxes it is one query. */
export const lastImport = batching(async (em, mailboxIds: readonly string[]) => {
  const lists = { parent: 'mailbox', parentIds: [...mailboxIds] } as const;
  const pages = await findPages(em, MailImport, lists, { key: 'createdAt', direction: 'desc' }, { first: 1 });
  return new Map(
    [...pages].flatMap(([mailboxId, { edges }]) => {
      const newest = edges[0]?.node;
      return newest ? [[mailboxId, newest] as const] : [];
    }),
  );
});
