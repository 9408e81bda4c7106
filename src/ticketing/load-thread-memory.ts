import type { Reads } from '../platform/read-batch.ts';
import type { PreparedMail } from './prepare-mail.ts';
import { ticketNumbersIn } from './subject.ts';
import { ThreadMemory } from './thread-memory.ts';
import { type CandidateTicket, nearestReferences } from './threading.ts';

/** Most messages of the page's conversations that are looked at; above it the newest tickets count. */
const MAX_CONVERSATION_ROWS = 5_000;

/** Most messages of one Message-ID that are looked at: a robot may write the same into each of its mails. */
const MAX_SAME_ID_ROWS = 20;

/** How far a chain of tickets that follow one another up is followed. */
const MAX_FOLLOW_UPS = 20;

interface TicketRow {
  ticket_id: string;
  number: number;
  closed_at: string | null;
}

type Nullable<Row> = { [Column in keyof Row]: Row[Column] | null };

function candidate({ ticket_id, number, closed_at }: TicketRow): CandidateTicket {
  return { id: ticket_id, number, closedAt: closed_at === null ? null : new Date(closed_at) };
}

/**
 * Loads what the mails of a page could belong to, in at most ten reads however many mails there are: through a
 * `batchReads` in at most three statements. Every read names the organization: raw SQL is not filtered.
 */
export async function loadThreadMemory(
  reads: Reads,
  organizationId: string,
  mailboxId: string,
  mails: readonly PreparedMail[],
): Promise<ThreadMemory> {
  const memory = new ThreadMemory(mailboxId);
  await Promise.all([
    loadOwn(reads, organizationId, mails, memory),
    loadReferences(reads, organizationId, mailboxId, mails, memory),
    loadNumbers(reads, organizationId, mails, memory),
    loadConversations(reads, organizationId, mailboxId, mails, memory),
    loadOriginals(reads, organizationId, mails, memory),
    loadTombstones(reads, organizationId, mails, memory),
  ]);
  // About what the others have found.
  await Promise.all([
    loadParticipants(reads, organizationId, mails, memory),
    loadFollowUps(reads, organizationId, memory),
  ]);
  return memory;
}

/**
 * The addresses that are ours, aliases too, and which of the page's mails went out from here: in Sent Items, or passed on
 * by a list, they may lack the header that says so.
 */
async function loadOwn(
  reads: Reads,
  organizationId: string,
  mails: readonly PreparedMail[],
  memory: ThreadMemory,
): Promise<void> {
  const rows = await reads.execute<{ address: string | null; sent: string | null }[]>(
    `select lower(email_address) as address, null as sent from mailbox
       where organization_id = ? and removed_at is null
     union
     select identity.email_address, null from identity
       join mailbox on mailbox.organization_id = identity.organization_id and mailbox.id = identity.mailbox_id
       where identity.organization_id = ? and identity.kind = 'ALIAS' and identity.status <> 'GONE'
         and identity.removed_at is null and mailbox.removed_at is null
     union all
     select null, internet_message_id from outbound_message
       where organization_id = ? and internet_message_id in (select json_array_elements_text(?::json))`,
    [organizationId, organizationId, organizationId, JSON.stringify(messageIdsOf(mails))],
  );
  for (const { address, sent } of rows) {
    if (address !== null) memory.addOwnAddress(address);
    if (sent !== null) memory.addSent(sent);
  }
}

function messageIdsOf(mails: readonly PreparedMail[]): string[] {
  return [...new Set(mails.flatMap(({ summary }) => summary.internetMessageId ?? []))];
}

/** Of several messages with the same Message-ID the one of this mailbox comes first, else the oldest. */
async function loadReferences(
  reads: Reads,
  organizationId: string,
  mailboxId: string,
  mails: readonly PreparedMail[],
  memory: ThreadMemory,
): Promise<void> {
  const ids = [...new Set(mails.flatMap(({ thread }) => nearestReferences(thread)))];
  if (ids.length === 0) return;
  const rows = await reads.execute<(TicketRow & { internet_message_id: string })[]>(
    `select internet_message_id, ticket_id, number, closed_at from (
       select message.internet_message_id, ticket.id as ticket_id, ticket.number, ticket.closed_at, row_number() over (
         partition by message.internet_message_id
         order by (message.mailbox_id is not distinct from ?) desc, message.created_at, message.id
       ) as place
       from message join ticket on ticket.organization_id = message.organization_id and ticket.id = message.ticket_id
       where message.organization_id = ? and message.internet_message_id in (?)
     ) as known where place <= ${MAX_SAME_ID_ROWS} order by place`,
    [mailboxId, organizationId, ids],
  );
  for (const row of rows) memory.addMessageId(row.internet_message_id, candidate(row));
  await loadNotifications(reads, organizationId, mails, memory);
}

/**
 * Notifications to people here are no messages of their ticket, and are answered all the same. Asked only for mail that
 * answers something which is not known.
 */
async function loadNotifications(
  reads: Reads,
  organizationId: string,
  mails: readonly PreparedMail[],
  memory: ThreadMemory,
): Promise<void> {
  const { ticketByMessageId } = memory.candidates;
  const ids = mails.flatMap(({ thread }) => {
    const references = nearestReferences(thread);
    return ticketByMessageId.has(references[0] ?? '') ? [] : references;
  });
  if (ids.length === 0) return;
  const rows = await reads.execute<
    (TicketRow & { internet_message_id: string; user_id: string | null; address: string })[]
  >(
    `select sent.internet_message_id, ticket.id as ticket_id, ticket.number, ticket.closed_at, app_user.id as user_id,
       lower(app_user.email_address) as address
     from outbound_message as sent
     join ticket on ticket.organization_id = sent.organization_id and ticket.id = sent.ticket_id
     left join app_user on app_user.organization_id = sent.organization_id and app_user.disabled_at is null
       and lower(app_user.email_address) = lower(sent.to_correspondents -> 0 ->> 'emailAddress')
     where sent.organization_id = ? and sent.internet_message_id in (?) and sent.kind = 'NOTIFICATION'
       and sent.message_id is null`,
    [organizationId, [...new Set(ids)]],
  );
  for (const row of rows) {
    const user = row.user_id === null ? null : { id: row.user_id, emailAddress: row.address };
    memory.addNotification(row.internet_message_id, candidate(row), user);
  }
}

async function loadNumbers(
  reads: Reads,
  organizationId: string,
  mails: readonly PreparedMail[],
  memory: ThreadMemory,
): Promise<void> {
  const numbers = [...new Set(mails.flatMap(({ thread }) => ticketNumbersIn(thread.subject)))];
  if (numbers.length === 0) return;
  const rows = await reads.execute<TicketRow[]>(
    'select id as ticket_id, number, closed_at from ticket where organization_id = ? and number in (?)',
    [organizationId, numbers],
  );
  for (const row of rows) memory.addNumber(candidate(row));
  const missing = numbers.filter((number) => !rows.some((row) => row.number === number));
  if (missing.length === 0) return;
  const former = await reads.execute<(Nullable<TicketRow> & { former_number: number })[]>(
    `select former.number as former_number, ticket.id as ticket_id, ticket.number, ticket.closed_at
     from former_ticket as former
     left join ticket on ticket.organization_id = former.organization_id and ticket.id = former.merged_into_id
     where former.organization_id = ? and former.number in (?)`,
    [organizationId, missing],
  );
  for (const { former_number, ticket_id, number, closed_at } of former) {
    const ticket = ticket_id === null || number === null ? null : candidate({ ticket_id, number, closed_at });
    memory.addFormerNumber(former_number, ticket);
  }
}

async function loadConversations(
  reads: Reads,
  organizationId: string,
  mailboxId: string,
  mails: readonly PreparedMail[],
  memory: ThreadMemory,
): Promise<void> {
  const ids = [...new Set(mails.flatMap(({ thread }) => thread.conversationId ?? []))];
  if (ids.length === 0) return;
  const rows = await reads.execute<(TicketRow & { conversation_id: string; subject: string })[]>(
    `select distinct message.conversation_id, message.subject, ticket.id as ticket_id, ticket.number,
       ticket.closed_at
     from message join ticket on ticket.organization_id = message.organization_id and ticket.id = message.ticket_id
     where message.organization_id = ? and message.mailbox_id = ? and message.conversation_id in (?)
     order by ticket.number desc limit ${MAX_CONVERSATION_ROWS}`,
    [organizationId, mailboxId, ids],
  );
  for (const row of rows) {
    memory.addConversation(row.conversation_id, candidate(row), row.subject);
  }
}

async function loadOriginals(
  reads: Reads,
  organizationId: string,
  mails: readonly PreparedMail[],
  memory: ThreadMemory,
): Promise<void> {
  const ids = messageIdsOf(mails);
  if (ids.length === 0) return;
  const rows = await reads.execute<
    (TicketRow & { internet_message_id: string; mailbox_id: string; content_digest: string })[]
  >(
    `select seen.internet_message_id, seen.mailbox_id, seen.content_digest, ticket.id as ticket_id, ticket.number,
       ticket.closed_at
     from inbound_message as seen
     join ticket on ticket.organization_id = seen.organization_id and ticket.id = seen.ticket_id
     where seen.organization_id = ? and seen.internet_message_id in (?)
       and seen.content_digest is not null and seen.message_id is not null`,
    [organizationId, ids],
  );
  for (const row of rows) {
    memory.addOriginal(row.internet_message_id, {
      mailboxId: row.mailbox_id,
      contentDigest: row.content_digest,
      ticket: candidate(row),
    });
  }
}

async function loadTombstones(
  reads: Reads,
  organizationId: string,
  mails: readonly PreparedMail[],
  memory: ThreadMemory,
): Promise<void> {
  const ids = messageIdsOf(mails);
  if (ids.length === 0) return;
  const rows = await reads.execute<
    { internet_message_id: string; mailbox_id: string; content_digest: string; explanation: string }[]
  >(
    `select internet_message_id, mailbox_id, content_digest, explanation from inbound_message
     where organization_id = ? and internet_message_id in (?) and reason = 'TICKET_DELETED'
       and content_digest is not null`,
    [organizationId, ids],
  );
  for (const { internet_message_id, mailbox_id, content_digest, explanation } of rows) {
    memory.addTombstone(internet_message_id, {
      mailboxId: mailbox_id,
      contentDigest: content_digest,
      explanation,
    });
  }
}

/**
 * Asks only about the pairs that matter (this ticket, this sender): the people of a long ticket are never all loaded.
 */
async function loadParticipants(
  reads: Reads,
  organizationId: string,
  mails: readonly PreparedMail[],
  memory: ThreadMemory,
): Promise<void> {
  const pairs = new Map<string, { ticket_id: string; address: string; person: { emailAddress: string }[] }>();
  const { ticketByMessageId, rivalsByMessageId, ticketByNumber, conversations } = memory.candidates;
  for (const { thread } of mails) {
    const address = thread.senderAddress;
    if (address === null) continue;
    const disputed = nearestReferences(thread).filter((id) => rivalsByMessageId?.has(id));
    const tickets = [
      ...disputed.flatMap((id) => [ticketByMessageId.get(id) ?? [], rivalsByMessageId?.get(id) ?? []].flat()),
      ...ticketNumbersIn(thread.subject).flatMap((number) => ticketByNumber.get(number) ?? []),
      ...(conversations.get(thread.conversationId ?? '') ?? []).map(({ ticket }) => ticket),
    ];
    for (const { id } of tickets) {
      pairs.set(`${id} ${address}`, { ticket_id: id, address, person: [{ emailAddress: address }] });
    }
  }
  if (pairs.size === 0) return;
  const rows = await reads.execute<{ ticket_id: string; address: string }[]>(
    `select pair.ticket_id, pair.address
     from json_to_recordset(?::json) as pair(ticket_id uuid, address text, person jsonb)
     where exists (
       select from ticket join contact
         on contact.organization_id = ticket.organization_id and contact.id = ticket.requester_id
       where ticket.organization_id = ? and ticket.id = pair.ticket_id and contact.email_address = pair.address
     ) or exists (
       select from message
       where message.organization_id = ? and message.ticket_id = pair.ticket_id and (
         message.from_correspondent ->> 'emailAddress' = pair.address
         or message.to_correspondents @> pair.person or message.cc_correspondents @> pair.person
       )
     )`,
    [JSON.stringify([...pairs.values()]), organizationId, organizationId],
  );
  for (const { ticket_id, address } of rows) memory.addParticipants(ticket_id, [address]);
}

/** Only of tickets that are closed: mostly there is nothing to ask. */
async function loadFollowUps(reads: Reads, organizationId: string, memory: ThreadMemory): Promise<void> {
  const closed = memory.closedTicketIds();
  if (closed.length === 0) return;
  const rows = await reads.execute<(TicketRow & { root: string })[]>(
    `with recursive chain (root, ticket_id, number, closed_at, depth) as (
       select follow_up_of_id, id, number, closed_at, 1 from ticket
       where organization_id = ? and follow_up_of_id in (?)
       union all
       select chain.root, next.id, next.number, next.closed_at, depth + 1
       from chain join ticket as next on next.organization_id = ? and next.follow_up_of_id = chain.ticket_id
       where depth < ${MAX_FOLLOW_UPS}
     )
     select distinct on (root) root, ticket_id, number, closed_at from chain
     order by root, (closed_at is null) desc, number desc`,
    [organizationId, closed, organizationId],
  );
  for (const row of rows) memory.addFollowUp(row.root, candidate(row));
}
