import { batching } from '../platform/batching.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Page, PageArguments } from '../platform/keyset.ts';
import { findPageOf } from '../platform/keyset-pages.ts';
import { Attachment } from './attachment.entity.ts';
import { Message } from './message.entity.ts';

/** A ticket's messages, the oldest first. For a page of tickets it is one query. */
export function listMessages(
  em: EntityManager,
  ticketId: string,
  args: PageArguments,
): Promise<Page<Message>> {
  const list = { parent: 'ticket', id: ticketId } as const;
  return findPageOf(em, Message, list, { key: 'createdAt', direction: 'asc' }, args);
}

/** A message's attachments in their order. For a page of messages it is one query. */
export async function attachmentsOf(em: EntityManager, messageId: string): Promise<Attachment[]> {
  return (await loadAttachments(em, messageId)) ?? [];
}

const loadAttachments = batching(async (em, messageIds: readonly string[]) => {
  const found = await em.find(
    Attachment,
    { message: { $in: [...messageIds] } },
    { orderBy: { message: 'asc', position: 'asc' } },
  );
  return Map.groupBy(found, ({ message }) => message.id);
});
