import type { FilterQuery } from '@mikro-orm/core';
import { z } from 'zod';
import type { EntityManager } from '../platform/database.ts';
import { findPage, type Page, type PageArguments } from '../platform/keyset.ts';
import { parseInput } from '../platform/parse-input.ts';
import { ARCHIVE_STATES, INBOUND_OUTCOMES, InboundMessage } from './inbound-message.entity.ts';

const inboundMessageFilter = z.object({
  mailboxId: z.uuid().nullish(),
  outcome: z.array(z.enum(INBOUND_OUTCOMES)).max(10).nullish(),
  archiveState: z.array(z.enum(ARCHIVE_STATES)).max(10).nullish(),
  copyState: z.array(z.enum(ARCHIVE_STATES)).max(10).nullish(),
  /** With its angle brackets. */
  internetMessageId: z.string().max(998).nullish(),
});

/** Which rows of the ledger; what is left out or null does not matter. */
export type InboundMessageFilter = z.input<typeof inboundMessageFilter>;

/** One page of the ledger, the newest first. Throws InvalidCursorError and InvalidInputError. */
export async function listInboundMessages(
  em: EntityManager,
  { filter, ...page }: PageArguments & { filter?: InboundMessageFilter | null | undefined },
): Promise<Page<InboundMessage>> {
  const given = parseInput(inboundMessageFilter, filter ?? {});
  const conditions: FilterQuery<InboundMessage>[] = [];
  if (given.mailboxId != null) conditions.push({ mailbox: given.mailboxId });
  if (given.outcome != null) conditions.push({ outcome: { $in: given.outcome } });
  if (given.archiveState != null) conditions.push({ archiveState: { $in: given.archiveState } });
  if (given.copyState != null) conditions.push({ copyState: { $in: given.copyState } });
  if (given.internetMessageId != null) conditions.push({ internetMessageId: given.internetMessageId });
  const where = conditions.length === 0 ? {} : ({ $and: conditions } as FilterQuery<InboundMessage>);
  return findPage(em, InboundMessage, where, { key: 'createdAt', direction: 'desc' }, page);
}
