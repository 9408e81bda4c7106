import DataLoader from 'dataloader';
import type { EntityManager } from '../platform/database.ts';
import { findPage, type Page, type PageArguments } from '../platform/keyset.ts';
import { Attachment } from './attachment.entity.ts';
import { Message } from './message.entity.ts';

/** A ticket's messages, the oldest first. */
export function listMessages(
  em: EntityManager,
  ticketId: string,
  args: PageArguments,
): Promise<Page<Message>> {
  return findPage(em, Message, { ticket: ticketId }, { key: 'createdAt', direction: 'asc' }, args);
}

const loaders = new WeakMap<EntityManager, DataLoader<string, Attachment[]>>();

/** A message's attachments in their order. For a page of messages it is one query: calls of one tick are put together. */
export function attachmentsOf(em: EntityManager, messageId: string): Promise<Attachment[]> {
  const loader = loaders.get(em) ?? new DataLoader((ids) => loadAttachments(em, ids), { cache: false });
  loaders.set(em, loader);
  return loader.load(messageId);
}

async function loadAttachments(em: EntityManager, messageIds: readonly string[]): Promise<Attachment[][]> {
  const found = await em.find(
    Attachment,
    { message: { $in: [...messageIds] } },
    { orderBy: { message: 'asc', position: 'asc' } },
  );
  const byMessage = Map.groupBy(found, ({ message }) => message.id);
  return messageIds.map((id) => byMessage.get(id) ?? []);
}
