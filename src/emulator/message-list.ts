import type { Mailbox, StoredMessage } from './mailbox.ts';
import { firstAtOrAfter } from './mailbox-index.ts';
import { type Clause, meetsFilter } from './odata-filter.ts';
import type { MessageQuery } from './odata-query.ts';

/** A page of messages. */
export interface MessagePage {
  messages: StoredMessage[];
  more: boolean;
  /** How many meet the filter; only counted when asked for. */
  total: number | null;
}

/**
 * A page out of an ordered list. Bounds on `receivedDateTime` and `internetMessageId eq` go through an index; the rest of
 * a filter looks at one message after the other until the page is full.
 */
export function pageOf(
  mailbox: Mailbox,
  list: readonly StoredMessage[],
  query: MessageQuery,
  pageSize: number,
): MessagePage {
  const messages: StoredMessage[] = [];
  let found = 0;
  for (const message of candidates(mailbox, list, query)) {
    if (!meetsFilter(message, query.filter)) continue;
    found += 1;
    if (found > query.skip && messages.length < pageSize) messages.push(message);
    if (!query.count && found > query.skip + pageSize) break;
  }
  return { messages, more: found > query.skip + pageSize, total: query.count ? found : null };
}

function* candidates(
  mailbox: Mailbox,
  list: readonly StoredMessage[],
  query: MessageQuery,
): Generator<StoredMessage> {
  const byInternetId = query.filter.find(
    ({ property, operator }) => property === 'internetMessageId' && operator === 'eq',
  );
  if (byInternetId !== undefined) {
    for (const id of mailbox.byInternetMessageId.get(String(byInternetId.value)) ?? []) {
      const message = mailbox.messages.get(id);
      if (message !== undefined && list[firstAtOrAfter(list, message)] === message) yield message;
    }
    return;
  }
  const { from, to } = receivedRange(list, query.filter);
  // Newest first unless asked otherwise, as Graph does it.
  const step = query.order === 'asc' ? 1 : -1;
  for (let at = step === 1 ? from : to - 1; at >= from && at < to; at += step) {
    const message = list[at];
    if (message !== undefined) yield message;
  }
}

/** The part of an ordered list that the bounds on `receivedDateTime` leave: from inclusive, to exclusive. */
export function receivedRange(
  list: readonly StoredMessage[],
  filter: readonly Clause[],
): { from: number; to: number } {
  let from = 0;
  let to = list.length;
  for (const { property, operator, value } of filter) {
    if (property !== 'receivedDateTime' || typeof value !== 'number') continue;
    const before = firstAtOrAfter(list, { receivedAt: value, serial: 0 });
    const after = firstAtOrAfter(list, { receivedAt: value, serial: Number.MAX_SAFE_INTEGER });
    if (operator === 'ge' || operator === 'eq') from = Math.max(from, before);
    if (operator === 'gt') from = Math.max(from, after);
    if (operator === 'lt') to = Math.min(to, before);
    if (operator === 'le' || operator === 'eq') to = Math.min(to, after);
  }
  return { from, to };
}
