import type { FilterQuery } from '@mikro-orm/core';
import { z } from 'zod';
import type { EntityManager } from '../platform/database.ts';
import { findPage, type KeysetOrder, type Page, type PageArguments } from '../platform/keyset.ts';
import { parseInput } from '../platform/parse-input.ts';
import { cleanText } from './clean-text.ts';
import {
  ARCHIVE_STATES,
  INBOUND_OUTCOMES,
  INBOUND_REASONS,
  InboundMessage,
} from './inbound-message.entity.ts';

const inboundMessageFilter = z.object({
  mailboxId: z.uuid().nullish(),
  outcome: z.array(z.enum(INBOUND_OUTCOMES)).max(10).nullish(),
  archiveState: z.array(z.enum(ARCHIVE_STATES)).max(10).nullish(),
  copyState: z.array(z.enum(ARCHIVE_STATES)).max(10).nullish(),
  reason: z.array(z.enum(INBOUND_REASONS)).max(INBOUND_REASONS.length).nullish(),
  ticketId: z.uuid().nullish(),
  /** In any case. */
  fromAddress: z.string().max(320).nullish(),
  /** With its angle brackets. */
  internetMessageId: z.string().max(998).nullish(),
  receivedFrom: z.date().nullish(),
  /** Not included itself. */
  receivedUntil: z.date().nullish(),
});

const AS_SEEN: KeysetOrder<InboundMessage> = { key: 'createdAt', direction: 'desc' };
/** Rows without a time of receipt are in no range of it. */
const BY_RECEIPT: KeysetOrder<InboundMessage> = { key: 'receivedAt', direction: 'desc' };

/** Which rows of the ledger; what is left out or null does not matter. */
export type InboundMessageFilter = z.input<typeof inboundMessageFilter>;

/**
 * One page of the ledger, the newest first: as it was seen, and with a time of receipt in the filter as it was received, so
 * that a day of last year is found without reading what came since. Throws InvalidCursorError and InvalidInputError.
 */
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
  if (given.reason != null) conditions.push({ reason: { $in: given.reason } });
  if (given.ticketId != null) conditions.push({ ticket: given.ticketId });
  if (given.fromAddress != null) {
    conditions.push({ fromAddress: cleanText(given.fromAddress).trim().toLowerCase() });
  }
  if (given.internetMessageId != null) conditions.push({ internetMessageId: given.internetMessageId });
  if (given.receivedFrom != null) conditions.push({ receivedAt: { $gte: given.receivedFrom } });
  if (given.receivedUntil != null) conditions.push({ receivedAt: { $lt: given.receivedUntil } });
  const where = conditions.length === 0 ? {} : ({ $and: conditions } as FilterQuery<InboundMessage>);
  const isOfTime = given.receivedFrom != null || given.receivedUntil != null;
  return findPage(em, InboundMessage, where, isOfTime ? BY_RECEIPT : AS_SEEN, page);
}
