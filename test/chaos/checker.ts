import type { ClientRecord } from './listener.ts';
import type { ReadyMailbox } from './organizations.ts';
import type { DeliveredMail, RunRecord } from './record.ts';

/** Something that must be so, and what speaks against it. */
export interface Check {
  name: string;
  /** Nothing when it is so. */
  faults: string[];
}

/** Compares what Microsoft says was delivered with the ledger, the messages, the tickets and the folders. */
export function checkMail(
  record: RunRecord,
  mailboxes: readonly ReadyMailbox[],
  sent: readonly string[],
): Check[] {
  const { delivered, probes, ledger, messages, tickets } = record;
  const ledgerRows = Map.groupBy(ledger, (row) => `${row.mailbox} ${row.graph_message_id}`);
  const stored = Map.groupBy(messages, (row) => `${row.organization_id} ${row.internet_message_id}`);
  const keyOf = (mail: DeliveredMail) => `${mail.organizationId} ${mail.messageId}`;
  const known = new Set(delivered.map(keyOf));
  const ledgerKeys = new Set(delivered.map(({ mailbox, immutableId }) => `${mailbox} ${immutableId}`));
  const copies = Map.groupBy(delivered, keyOf);
  const sentIds = new Set(delivered.map(({ messageId }) => messageId));
  return [
    check('the emulator has every mail exactly once', [
      ...sent.filter((id) => !sentIds.has(id)).map((id) => `gone ${id}`),
      ...many(copies).map((key) => `doubled ${key}`),
    ]),
    check('every mail has exactly one ledger row', [
      ...delivered
        .filter(({ mailbox, immutableId }) => !ledgerRows.has(`${mailbox} ${immutableId}`))
        .map(({ messageId }) => `none for ${messageId}`),
      ...many(ledgerRows).map((key) => `several for ${key}`),
    ]),
    check('no mail is lost: each is a message', missing(delivered, stored, keyOf)),
    check('no mail is doubled: each is one message', many(stored)),
    check('nothing was made up: every row has its mail', [
      ...[...stored.keys()].filter((key) => !known.has(key)).map((key) => `message ${key}`),
      ...[...ledgerRows.keys()].filter((key) => !ledgerKeys.has(key)).map((key) => `ledger ${key}`),
    ]),
    check(
      'every outcome is a ticket or a reply',
      ledger
        .filter(({ outcome }) => outcome !== 'TICKET_CREATED' && outcome !== 'REPLY_ADDED')
        .map(({ outcome, graph_message_id }) => `${outcome} ${graph_message_id}`),
    ),
    ...checkThreads(record),
    check(
      'there are as many tickets as threads',
      tickets.length === threadsOf(delivered).size
        ? []
        : [`${tickets.length} tickets, ${threadsOf(delivered).size} threads`],
    ),
    checkFolders(record, mailboxes),
    check(
      'no mailbox holds more than the draft of a probe that is under way',
      many(Map.groupBy(probes, ({ mailbox }) => mailbox)),
    ),
    check(
      'every attachment is stored',
      messages
        .filter((message) => message.attachments !== message.stored_attachments)
        .map(({ internet_message_id }) => `not all of ${internet_message_id}`),
    ),
    check(
      'every mail has as many attachments as were sent',
      delivered.flatMap((mail) => {
        const message = stored.get(keyOf(mail))?.[0];
        return message && message.attachments !== mail.attachments ? [mail.messageId] : [];
      }),
    ),
  ];
}

/** Every mail of a thread is in one ticket, and of no other thread is anything in it. */
function checkThreads({ delivered, messages }: RunRecord): Check[] {
  const ticketsOf = Map.groupBy(messages, (row) => `${row.organization_id} ${row.internet_message_id}`);
  const threadsByTicket = new Map<string, Set<string>>();
  const torn: string[] = [];
  for (const [thread, mails] of threadsOf(delivered)) {
    const tickets = new Set(
      mails.flatMap((mail) =>
        (ticketsOf.get(`${mail.organizationId} ${mail.messageId}`) ?? []).map((row) => row.ticket_id),
      ),
    );
    if (tickets.size > 1) torn.push(`${thread} is in ${tickets.size} tickets`);
    for (const ticket of tickets) {
      threadsByTicket.set(ticket, (threadsByTicket.get(ticket) ?? new Set()).add(thread));
    }
  }
  const mixed = [...threadsByTicket].filter(([, threads]) => threads.size > 1);
  return [
    check('every reply is in the ticket of its thread', torn),
    check(
      'no ticket holds two threads',
      mixed.map(([ticket, threads]) => `${ticket}: ${[...threads].join(', ')}`),
    ),
  ];
}

/** A thread is its subject without the marks of answers: the run gives each a topic of its own. */
function threadsOf(delivered: readonly DeliveredMail[]): Map<string, DeliveredMail[]> {
  return Map.groupBy(
    delivered,
    ({ organizationId, subject }) => `${organizationId} ${subject.replace(/^(?:(?:re|aw):\s*)+/i, '')}`,
  );
}

function checkFolders({ delivered, ledger }: RunRecord, mailboxes: readonly ReadyMailbox[]): Check {
  const archived = new Map(mailboxes.map(({ address, isArchived }) => [address, isArchived]));
  return check('archived mail has left the inbox, and all other mail is still in it', [
    ...delivered
      .filter(({ mailbox, folder }) => (folder === 'inbox') === archived.get(mailbox))
      .map(({ folder, messageId }) => `${messageId} is in ${folder}`),
    ...ledger
      .filter((row) => row.archive_state !== (archived.get(row.mailbox) ? 'DONE' : 'NOT_WANTED'))
      .map((row) => `${row.graph_message_id} is ${row.archive_state}`),
  ]);
}

/** Whether the log tells of each ticket and message once, and every client saw its organization's part of it, in order. */
export function checkEvents(record: RunRecord, clients: readonly ClientRecord[]): Check[] {
  const { events, tickets, messages, byHand } = record;
  const logged = (type: string) => events.filter((event) => event.type === type);
  const entityOf = (event: (typeof events)[number]) => event.message_id ?? event.ticket_id;
  return [
    check(
      'the log tells of every ticket once',
      difference(
        tickets.map(({ id }) => id),
        logged('ticket.created').map(entityOf),
      ),
    ),
    check(
      'the log tells of every message once',
      difference(
        messages.map(({ id }) => id),
        logged('message.added').map(entityOf),
      ),
    ),
    ...clients.map((client) => {
      const type = client.field === 'ticketCreated' ? 'ticket.created' : 'message.added';
      const due = logged(type)
        .filter((event) => event.organization_id === client.organizationId)
        .map(entityOf);
      const seen = client.seen.filter(({ entity }) => !byHand.has(entity)).map(({ entity }) => entity);
      return check(`${client.name} saw every event of its organization once and in order`, [
        ...difference(due, seen),
        ...outOfOrder(due, seen),
      ]);
    }),
    check(
      'no cursor was refused',
      clients.flatMap(({ name, refusals }) =>
        refusals.filter((code) => /CURSOR/.test(code)).map((code) => `${name}: ${code}`),
      ),
    ),
  ];
}

/** Whether everything has come to rest. */
export function checkRest({ openRuns, deadJobs }: RunRecord): Check[] {
  return [
    check(
      'no sync run is left open or failed at the end',
      openRuns.map(({ mailbox, state, trigger }) => `${mailbox}: ${state} (${trigger})`),
    ),
    check(
      'no job failed for good',
      deadJobs.map(({ name, last_error }) => `${name}: ${last_error ?? ''}`),
    ),
  ];
}

function check(name: string, faults: string[]): Check {
  return { name, faults };
}

function many<Row>(groups: ReadonlyMap<string, readonly Row[]>): string[] {
  return [...groups].filter(([, rows]) => rows.length > 1).map(([key]) => key);
}

function missing(
  delivered: readonly DeliveredMail[],
  stored: ReadonlyMap<string, unknown>,
  keyOf: (mail: DeliveredMail) => string,
): string[] {
  return delivered.filter((mail) => !stored.has(keyOf(mail))).map(({ messageId }) => messageId);
}

/** What is missed, repeated and foreign. */
function difference(due: readonly string[], seen: readonly string[]): string[] {
  const dueOnce = new Set(due);
  const counts = new Map<string, number>();
  for (const one of seen) counts.set(one, (counts.get(one) ?? 0) + 1);
  return [
    ...[...dueOnce].filter((one) => !counts.has(one)).map((one) => `missed ${one}`),
    ...[...counts].filter(([one, count]) => count > 1 && dueOnce.has(one)).map(([one]) => `repeated ${one}`),
    ...[...counts.keys()].filter((one) => !dueOnce.has(one)).map((one) => `foreign ${one}`),
    ...(due.length === dueOnce.size ? [] : ['the log itself repeats events']),
  ];
}

function outOfOrder(due: readonly string[], seen: readonly string[]): string[] {
  const places = new Map(due.map((one, place) => [one, place]));
  const order = seen.flatMap((one) => places.get(one) ?? []);
  const wrong = order.findIndex((place, index) => index > 0 && place < (order[index - 1] ?? 0));
  return wrong < 0 ? [] : [`out of order at ${wrong + 1} of ${order.length}`];
}
