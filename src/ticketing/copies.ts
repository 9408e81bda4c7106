import { type ContentDigests, hasDigest } from './content-digest.ts';
import type { CandidateTicket } from './threading.ts';

/**
 * What one mail to several mailboxes of an organization becomes: one ticket, which is the default; a ticket for each
 * mailbox, the later ones linked to the first; or tickets that know nothing of each other.
 */
export const COPY_POLICIES = ['ONE_TICKET', 'LINKED', 'SEPARATE'] as const;
export type CopyPolicy = (typeof COPY_POLICIES)[number];

/** A message that is part of a ticket, as far as recognising a copy of it needs. */
export interface KnownOriginal {
  mailboxId: string;
  contentDigest: string;
  ticket: CandidateTicket;
}

/** What the ledger keeps of a mail whose ticket was deleted. */
export interface Tombstone extends Pick<KnownOriginal, 'mailboxId' | 'contentDigest'> {
  explanation: string;
}

/**
 * Whether a mail is a copy of a message with the same Message-ID: sender and text must be the same as well, since
 * Message-IDs are repeated by broken robots and can be forged. In the same mailbox it was copied between folders; in
 * another one it was addressed to both. A mail without a Message-ID is never a copy: two equal lines of a machine are two
 * messages.
 */
export function isCopyOf(
  mail: ContentDigests & { mailboxId: string },
  known: Pick<KnownOriginal, 'mailboxId' | 'contentDigest'>,
  policy: CopyPolicy,
): boolean {
  if (!hasDigest(mail, known.contentDigest)) return false;
  return mail.mailboxId === known.mailboxId || policy === 'ONE_TICKET';
}

/** Why a copy is ignored. */
export function explainCopy({ mailboxId, ticket }: KnownOriginal, seenIn: string): string {
  return mailboxId === seenIn
    ? `Ignored: a copy of a message that is already in ticket #${ticket.number}.`
    : `Ignored: the same mail came to another mailbox too, and is in ticket #${ticket.number}.`;
}

/** What is added to the explanation of a mail whose Message-ID another message has. */
export function explainNamesake({ number }: CandidateTicket): string {
  return `A message of ticket #${number} has the same Message-ID but another sender or content: it is another message.`;
}

/** What is added to the explanation of a mail whose copy in another mailbox has a ticket of its own. */
export function explainTwin({ number }: CandidateTicket): string {
  return `The same mail came to another mailbox too: its ticket #${number} is linked.`;
}
