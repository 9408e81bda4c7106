import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { IncomingMail } from '../microsoft365/mail.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { batchReads } from '../platform/read-batch.ts';
import { recordEvents } from '../realtime/record.ts';
import { enqueueAttachments } from './attachments.jobs.ts';
import type { ImportOption } from './imported-mail.ts';
import type { InboundMessage } from './inbound-message.entity.ts';
import { type ClaimedMail, planIngest } from './ingest-plan.ts';
import { isPartOfTicket, storePlan } from './ingest-store.ts';
import { claimLedgerRows, type LedgerOutcome, lockNumbersForNewMail, settleLedger } from './ledger.ts';
import { loadStorm } from './load-storm.ts';
import { loadThreadMemory } from './load-thread-memory.ts';
import { loadRoutingIfAny } from './mail-routing.ts';
import { loadMailSettings } from './mail-settings.ts';
import { summarizeMail } from './prepare-mail.ts';
import { type ReadMail, readMail } from './read-mail.ts';
import { lockTicketNumbers } from './ticket-number.ts';

/** A page of mail to take in. */
export interface IngestInput {
  organizationId: string;
  /** The settings that decide (create tickets, archive) are read from this entity: load it in the same transaction. */
  mailbox: Mailbox;
  mails: readonly IncomingMail[];
  /** What `readMails` made of them before the transaction; what is missing is read inside of it. */
  read?: ReadonlyMap<IncomingMail, ReadMail>;
  /** Given when they lay in the mailbox before it was connected. */
  imported?: ImportOption | null;
  now: Date;
}

/** What became of a page. `known` were in the ledger before and nothing was done to them. */
export interface IngestResult {
  created: number;
  appended: number;
  ignored: number;
  failed: number;
  known: number;
  /** Mails of this page whose attachments will be fetched by `ticketing.store-attachments` (already enqueued). */
  attachmentsDue: number;
  /** Mails of this page that wait to be archived, deleted or copied (`archiveState` or `copyState` = `DUE`). */
  archiveDue: number;
  /** Mails of this page that were too many: they are in storm tickets, or joined their ticket without reopening it. */
  stormed: number;
  /** Ledger ids of the mails of this page that became `FAILED`; retry them with {@link ingestOneAgain}. */
  failedInboundMessageIds: string[];
  /** When Microsoft received each of the mails of this page that became a ticket or a reply. */
  storedReceivedAt: (Date | null)[];
  /** Why each of them failed, in the same order, for the log: the ledger shows people no more than that it failed. */
  failures: Error[];
}

/** A mail that could not be read or stored at all. What is known of it goes into the ledger. */
export interface FailedMail {
  organizationId: string;
  mailbox: Mailbox;
  graphMessageId: string;
  problem: Problem;
  now: Date;
  imported?: ImportOption | null;
  internetMessageId?: string | null;
  subject?: string;
  fromAddress?: string | null;
  receivedAt?: Date | null;
}

/** A claimed mail that cannot be processed. */
interface PoisonMail {
  inboundMessageId: string;
  error: Error;
}

/**
 * Takes a page of mail in: each mail ends as one ledger row, and as a ticket, a reply or neither. Call it inside
 * `em.transactional`: the page counts completely or not at all. Some fifteen statements, however many mails.
 *
 * The organization is locked first, so that its mailboxes take mail in one after the other: a reply whose original is
 * being taken in next door must find it, and ticket numbers have no gaps. The cost: one page at a time per organization,
 * some tens of milliseconds each; reading from Microsoft, which is what takes long, goes on side by side.
 *
 * Idempotent: what the ledger knows already is left alone and counted as `known`.
 */
export async function ingestMails(
  em: EntityManager,
  { organizationId, mailbox, mails, read, imported = null, now }: IngestInput,
): Promise<IngestResult> {
  const ids = [...new Set(mails.map(({ graphMessageId }) => graphMessageId))];
  const firstNumber = await lockNumbersForNewMail(em, organizationId, mailbox.id, ids);
  if (firstNumber === null) return { ...nothing(), known: mails.length };

  const fresh = new Map(mails.map((mail) => [mail.graphMessageId, read?.get(mail) ?? readMail(mail)]));
  const summaries = [...fresh.values()].map(({ summary }) => summary);
  const rows = await claimLedgerRows(em, organizationId, mailbox.id, summaries, now, imported?.importedAs);
  const claimed: ClaimedMail[] = [];
  const poison: PoisonMail[] = [];
  for (const [graphMessageId, mail] of fresh) {
    const inboundMessageId = rows.get(graphMessageId);
    if (inboundMessageId === undefined) continue; // known, or somebody else was faster
    if ('error' in mail) poison.push({ inboundMessageId, error: mail.error });
    else claimed.push({ inboundMessageId, mail: mail.prepared });
  }
  const result = await settle(em, organizationId, mailbox, claimed, poison, firstNumber, now, imported);
  return { ...result, known: mails.length - rows.size };
}

/**
 * Puts a mail that could not be read or stored into the ledger as `FAILED`. Gives the id of its row, or null when the
 * ledger knows the mail already. Call it inside `em.transactional`.
 */
export async function recordFailedMail(em: EntityManager, failed: FailedMail): Promise<string | null> {
  const { organizationId, mailbox, problem, now } = failed;
  const summary = summarizeMail({
    ...EMPTY_MAIL,
    graphMessageId: failed.graphMessageId,
    internetMessageId: failed.internetMessageId ?? null,
    subject: failed.subject ?? '',
    from: failed.fromAddress ? { name: null, emailAddress: failed.fromAddress } : null,
    receivedAt: failed.receivedAt ?? null,
  });
  await lockTicketNumbers(em, organizationId); // first, as everybody: two that lock in different orders would deadlock
  const rows = await claimLedgerRows(
    em,
    organizationId,
    mailbox.id,
    [summary],
    now,
    failed.imported?.importedAs,
  );
  const inboundMessageId = rows.get(failed.graphMessageId);
  if (inboundMessageId === undefined) return null;
  await settleLedger(em, organizationId, [failedOutcome(inboundMessageId, problem)], now);
  return inboundMessageId;
}

/**
 * Tries a ledger row again that is `FAILED`, or ignored and wanted by a person, with the mail as it is now; `attempts`
 * counts it. A row that is neither any more (somebody else retried it) is left alone and counted as `known`. Call it inside `em.transactional`, and refresh the
 * entity afterwards: the row is written past it. `read` is what `readMails` made of the mail before the transaction.
 */
export async function ingestOneAgain(
  em: EntityManager,
  inboundMessage: InboundMessage,
  mail: IncomingMail,
  now: Date,
  read: ReadMail = readMail(mail),
): Promise<IngestResult> {
  const organizationId = inboundMessage.organization.id;
  const inboundMessageId = inboundMessage.id;
  const mailbox = await inboundMessage.mailbox.loadOrFail();
  const firstNumber = await lockTicketNumbers(em, organizationId);
  const { subject, fromAddress, internetMessageId, receivedAt } = read.summary;
  const locked = await em.execute<{ id: string }[]>(
    `update inbound_message set attempts = attempts + 1, subject = ?, from_address = ?, internet_message_id = ?,
       received_at = ?
     where organization_id = ? and id = ? and (outcome = 'FAILED' or outcome = 'IGNORED' and is_wanted) returning id`,
    [subject, fromAddress, internetMessageId, receivedAt, organizationId, inboundMessageId],
  );
  if (locked.length === 0) return { ...nothing(), known: 1 };
  const importedAs = inboundMessage.importedAs ?? null;
  const imported = importedAs === null ? null : { importedAs };
  if ('error' in read) {
    return settle(
      em,
      organizationId,
      mailbox,
      [],
      [{ inboundMessageId, error: read.error }],
      firstNumber,
      now,
      imported,
    );
  }
  const claimed: ClaimedMail = { inboundMessageId, mail: read.prepared };
  const { isWanted, outcome, explanation } = inboundMessage;
  if (isWanted) claimed.wanted = { before: outcome === 'IGNORED' ? explanation : null };
  // A failed mail has no ticket, unless its message went missing there; one that was ignored may have been about one.
  const lostBy = outcome === 'FAILED' ? await inboundMessage.ticket?.load() : null;
  if (lostBy) claimed.restoreTo = { id: lostBy.id, number: lostBy.number };
  return settle(em, organizationId, mailbox, [claimed], [], firstNumber, now, imported);
}

/** Decides about claimed mails and writes everything that follows. */
async function settle(
  em: EntityManager,
  organizationId: string,
  mailbox: Mailbox,
  claimed: readonly ClaimedMail[],
  unreadable: readonly PoisonMail[],
  firstNumber: number,
  now: Date,
  imported: ImportOption | null,
): Promise<IngestResult> {
  const importedAs = imported?.importedAs ?? null;
  const prepared = claimed.map(({ mail }) => mail);
  const reads = batchReads(em);
  const mailSettings = loadMailSettings(reads, organizationId);
  const watchStorm = async () => {
    const { stormLimitPerSender: perSender, stormLimitPerTicket: perTicket } = await mailSettings;
    return loadStorm(reads, organizationId, prepared, { perSender, perTicket }, now);
  };
  const [memory, { copyPolicy, reopenWithinDays }, routing, storm] = await Promise.all([
    loadThreadMemory(reads, organizationId, mailbox.id, prepared),
    mailSettings,
    loadRoutingIfAny(em, reads, { organizationId, groupId: mailbox.groupId }),
    importedAs === null ? watchStorm() : null,
  ]);
  const settings = {
    organizationId,
    mailboxId: mailbox.id,
    createTickets: mailbox.createTickets,
    copyPolicy,
    reopenWithinDays,
    isHistory: importedAs !== null,
    routing,
    storm,
  };
  const plan = planIngest(claimed, memory, settings, firstNumber, now);
  const events = await storePlan(em, { organizationId, mailboxId: mailbox.id, importedAs, now }, plan);

  // Of history the mailbox stays as people have left it.
  const isArchiving = mailbox.afterProcessing !== 'KEEP' && importedAs === null;
  const isCopying = mailbox.copyFolder != null && importedAs === null;
  const poison = [
    ...unreadable,
    ...plan.poison.map(({ claimed: { inboundMessageId }, error }) => ({ inboundMessageId, error })),
  ];
  const outcomes = plan.mails.map(
    (planned): LedgerOutcome => ({
      ...planned,
      contentDigest: planned.mail.contentDigest,
      problem: null,
      isArchiveDue: isArchiving && isPartOfTicket(planned),
      isCopyDue: isCopying && planned.reason !== 'DRAFT',
    }),
  );
  const failed = poison.map(({ inboundMessageId }) => failedOutcome(inboundMessageId, processingFailed(now)));
  await settleLedger(em, organizationId, [...outcomes, ...failed], now);

  // What will be deleted is looked into whenever it is more than text: a file that nothing names would be lost with it.
  const isDeleting = isArchiving && mailbox.afterProcessing === 'DELETE';
  const withAttachments = plan.mails.filter(
    (one) => isPartOfTicket(one) && (one.mail.mayHaveAttachments || (isDeleting && one.mail.isMoreThanText)),
  );
  const due = withAttachments.map(({ inboundMessageId }) => inboundMessageId);
  await enqueueAttachments(em, organizationId, mailbox.id, due, imported);
  await recordEvents(em, organizationId, importedAs === null ? events : []);
  const count = (outcome: string) => plan.mails.filter((planned) => planned.outcome === outcome).length;
  return {
    created: count('TICKET_CREATED'),
    appended: count('REPLY_ADDED'),
    ignored: count('IGNORED'),
    failed: poison.length,
    known: 0,
    attachmentsDue: withAttachments.length,
    archiveDue: outcomes.filter(({ isArchiveDue, isCopyDue }) => isArchiveDue || isCopyDue).length,
    stormed: plan.mails.filter(({ automatic }) => automatic === 'STORM').length,
    failedInboundMessageIds: poison.map(({ inboundMessageId }) => inboundMessageId),
    storedReceivedAt: plan.mails.filter(isPartOfTicket).map(({ mail }) => mail.summary.receivedAt),
    failures: poison.map(({ error }) => error),
  };
}

function failedOutcome(inboundMessageId: string, problem: Problem): LedgerOutcome {
  return {
    inboundMessageId,
    outcome: 'FAILED',
    reason: 'PROCESSING_ERROR',
    explanation: `Failed: ${problem.message}`,
    ticketId: null,
    messageId: null,
    contentDigest: null,
    problem,
    isArchiveDue: false,
    isCopyDue: false,
  };
}

function processingFailed(now: Date): Problem {
  return {
    code: 'PROCESSING_FAILED',
    message: 'This message could not be processed.',
    remedy:
      'It stays in the mailbox. Retry it; if it fails again, look for its id in the log and report the cause.',
    since: now.toISOString(),
  };
}

function nothing(): IngestResult {
  return {
    created: 0,
    appended: 0,
    ignored: 0,
    failed: 0,
    known: 0,
    attachmentsDue: 0,
    archiveDue: 0,
    stormed: 0,
    failedInboundMessageIds: [],
    storedReceivedAt: [],
    failures: [],
  };
}

const EMPTY_MAIL: Omit<IncomingMail, 'graphMessageId'> = {
  internetMessageId: null,
  conversationId: null,
  subject: '',
  from: null,
  replyTo: [],
  to: [],
  cc: [],
  receivedAt: null,
  sentAt: null,
  isDraft: false,
  hasAttachments: false,
  body: { contentType: 'text', content: '' },
  uniqueBody: null,
  inReplyTo: [],
  references: [],
  headers: [],
};
