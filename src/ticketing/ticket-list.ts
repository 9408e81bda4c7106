import type { FilterQuery } from '@mikro-orm/core';
import { z } from 'zod';
import type { EntityManager } from '../platform/database.ts';
import { findPage, type KeysetOrder, type Page, type PageArguments } from '../platform/keyset.ts';
import { parseInput } from '../platform/parse-input.ts';
import { cleanText } from './clean-text.ts';
import { TICKET_PRIORITIES, TICKET_STATUSES, Ticket } from './ticket.entity.ts';

/** By what tickets can be ordered. */
export const TICKET_ORDER_FIELDS = ['createdAt', 'lastMessageAt', 'number'] as const;
export type TicketOrderField = (typeof TICKET_ORDER_FIELDS)[number];

export interface TicketOrder {
  field: TicketOrderField;
  direction: 'asc' | 'desc';
}

const NEWEST_FIRST: TicketOrder = { field: 'createdAt', direction: 'desc' };

const ticketFilter = z.object({
  status: z.array(z.enum(TICKET_STATUSES)).max(10).nullish(),
  priority: z.array(z.enum(TICKET_PRIORITIES)).max(10).nullish(),
  assigneeId: z.uuid().nullish(),
  /** True: nobody has it. False: somebody has. */
  unassigned: z.boolean().nullish(),
  groupId: z.uuid().nullish(),
  /** True: it belongs to no group. False: it belongs to one. */
  withoutGroup: z.boolean().nullish(),
  requesterEmail: z.string().max(320).nullish(),
  mailboxId: z.uuid().nullish(),
  tag: z.string().max(50).nullish(),
  /** Part of the subject, in any case. */
  text: z.string().max(200).nullish(),
});

/** Which tickets; what is left out or null does not matter. All conditions hold at once. */
export type TicketFilter = z.input<typeof ticketFilter>;

export interface TicketListArguments extends PageArguments {
  filter?: TicketFilter | null | undefined;
  orderBy?: TicketOrder | null | undefined;
}

/**
 * One page of the organization's tickets, newest first unless told otherwise. One statement.
 *
 * `text` is looked for along the chosen order: quick when matches are common, and a scan of the organization's tickets
 * when they are rare.
 *
 * Throws InvalidCursorError and InvalidInputError.
 */
export async function listTickets(
  em: EntityManager,
  { filter, orderBy, ...page }: TicketListArguments,
): Promise<Page<Ticket>> {
  const { field, direction } = orderBy ?? NEWEST_FIRST;
  const order: KeysetOrder<Ticket> = { key: field, direction };
  return findPage(em, Ticket, ticketConditions(filter ?? {}), order, page);
}

/** The filter as conditions on the ticket; also what live streams match tickets with. Throws InvalidInputError. */
export function ticketConditions(filter: TicketFilter): FilterQuery<Ticket> {
  const given = parseInput(ticketFilter, filter);
  const conditions: FilterQuery<Ticket>[] = [];
  if (given.status != null) conditions.push({ status: { $in: given.status } });
  if (given.priority != null) conditions.push({ priority: { $in: given.priority } });
  if (given.assigneeId != null) conditions.push({ assignee: given.assigneeId });
  if (given.unassigned != null) conditions.push({ assignee: given.unassigned ? null : { $ne: null } });
  if (given.groupId != null) conditions.push({ group: given.groupId });
  if (given.withoutGroup != null) conditions.push({ group: given.withoutGroup ? null : { $ne: null } });
  if (given.mailboxId != null) conditions.push({ mailbox: given.mailboxId });
  if (given.requesterEmail != null) {
    conditions.push({ requester: { emailAddress: cleanText(given.requesterEmail).trim().toLowerCase() } });
  }
  if (given.tag != null) conditions.push({ tags: { $contains: [cleanText(given.tag)] } });
  if (given.text != null) conditions.push({ subject: { $ilike: `%${escapeLike(cleanText(given.text))}%` } });
  return conditions.length === 0 ? {} : ({ $and: conditions } as FilterQuery<Ticket>);
}

/** `%` and `_` in what people type mean themselves. */
function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}
