import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { IncomingMail } from '../microsoft365/mail.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import type { InboundMessage } from './inbound-message.entity.ts';

/** A page of mail to take in. */
export interface IngestInput {
  organizationId: string;
  /** The settings that decide (create tickets, archive) are read from this entity: load it in the same transaction. */
  mailbox: Mailbox;
  mails: readonly IncomingMail[];
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
  /** Mails of this page that wait to be archived (`archiveState` = `DUE`). */
  archiveDue: number;
  /** Ledger ids of the mails of this page that became `FAILED`; retry them with {@link ingestOneAgain}. */
  failedInboundMessageIds: string[];
}

/** A mail that could not be read or stored at all. What is known of it goes into the ledger. */
export interface FailedMail {
  organizationId: string;
  mailbox: Mailbox;
  graphMessageId: string;
  problem: Problem;
  now: Date;
  internetMessageId?: string | null;
  subject?: string;
  fromAddress?: string | null;
  receivedAt?: Date | null;
}

/** Takes a page of mail in. Call it inside `em.transactional`. */
export async function ingestMails(_em: EntityManager, _input: IngestInput): Promise<IngestResult> {
  throw new Error('not written yet');
}

/** Puts a mail that could not be read into the ledger as `FAILED`; null when it is known already. Call it inside `em.transactional`. */
export async function recordFailedMail(_em: EntityManager, _failed: FailedMail): Promise<string | null> {
  throw new Error('not written yet');
}

/** Tries a `FAILED` ledger row again with the mail as it is now. Call it inside `em.transactional`. */
export async function ingestOneAgain(
  _em: EntityManager,
  _inboundMessage: InboundMessage,
  _mail: IncomingMail,
  _now: Date,
): Promise<IngestResult> {
  throw new Error('not written yet');
}
