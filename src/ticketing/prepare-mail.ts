import type { IncomingMail } from '../microsoft365/mail.ts';
import { type Bodies, prepareBodies } from './bodies.ts';
import { type Bounce, bouncedMessageIds, parseBounce } from './bounce.ts';
import { bounded, cleanLine } from './clean-text.ts';
import { type ContentDigests, contentDigestsOf } from './content-digest.ts';
import { toCorrespondent, toCorrespondents, UNKNOWN_SENDER } from './correspondent.ts';
import { readDeliveryReport } from './delivery-report.ts';
import type { Invitation } from './invitation.ts';
import { classifyMachineMail, type MachineFinding } from './machine-mail.ts';
import { meetingInvitation } from './meeting-invitation.ts';
import type { Correspondent } from './message.entity.ts';
import { messageIdsIn } from './message-id.ts';
import { type Protection, protectionOf } from './protection.ts';
import { isNewlyForwarded } from './subject.ts';
import type { ThreadMail } from './threading.ts';

const MAX_SUBJECT_LENGTH = 1_000;
const MAX_CONVERSATION_ID_LENGTH = 500;
/** Addresses of a `Reply-To` that are kept. */
const MAX_REPLY_TO = 20;

/** What the ledger keeps of any mail, also of one that cannot be processed. */
export interface MailSummary {
  graphMessageId: string;
  internetMessageId: string | null;
  subject: string;
  fromAddress: string | null;
  receivedAt: Date | null;
}

/** A mail with everything computed that needs no database: clean, bounded, safe to store and to show. */
export interface PreparedMail extends ContentDigests {
  summary: MailSummary;
  sender: Correspondent;
  to: Correspondent[];
  cc: Correspondent[];
  /** Where the sender wants answers; empty when that is where the mail came from. */
  replyTo: Correspondent[];
  bodies: Bodies;
  /** Signed or encrypted; null when neither. */
  protection: Protection | null;
  /** Of a mail that Exchange has made a meeting of; null for all others, also with a calendar file. */
  invitation: Invitation | null;
  sentAt: Date | null;
  isDraft: boolean;
  thread: ThreadMail;
  /** Whether there may be something to fetch: Graph's `hasAttachments` is false where all files are inline. */
  mayHaveAttachments: boolean;
  /** Whether it is more than one text: a file may be in it, also where nothing else says so. */
  isMoreThanText: boolean;
  /** Whether a machine wrote it, as far as the mail itself tells. */
  machine: MachineFinding;
  /** Internet message headers in their order, as they came: conditions of mail rules ask for single ones. */
  headers: readonly { name: string; value: string }[];
  /** Of headers and body. What is attached is not counted: its size is not known yet. */
  sizeBytes: number;
  /** Other than images that are shown within the text; Graph's word for it. */
  hasAttachments: boolean;
  /** What it says about a mail that could not be delivered; null when it is no such report. */
  bounce: Bounce | null;
}

/** What can be said of a mail without reading it closely. Never throws: it describes also what is broken. */
export function summarizeMail(mail: IncomingMail): MailSummary {
  const attempt = <T>(work: () => T, otherwise: T): T => {
    try {
      return work();
    } catch {
      return otherwise;
    }
  };
  return {
    graphMessageId: mail.graphMessageId,
    internetMessageId: attempt(() => messageIdsIn([mail.internetMessageId ?? ''])[0] ?? null, null),
    subject: attempt(() => boundedSubject(mail.subject), ''),
    fromAddress: attempt(() => toCorrespondent(mail.from)?.emailAddress ?? null, null),
    receivedAt: attempt(() => validDate(mail.receivedAt), null),
  };
}

/** Computes what ingest stores of a mail. Throws on a mail that is not as its type says: it is poison. */
export function prepareMail(mail: IncomingMail): PreparedMail {
  const summary = summarizeMail(mail);
  const sender = toCorrespondent(mail.from) ?? UNKNOWN_SENDER;
  const bodies = prepareBodies(mail.body, mail.uniqueBody, {
    isForwarded: isNewlyForwarded(mail.subject),
  });
  const found = classifyMachineMail({
    headers: mail.headers,
    senderAddress: summary.fromAddress,
    subject: summary.subject,
    messageClass: mail.messageClass ?? null,
  });
  const report = readDeliveryReport(found.kind === 'BOUNCE' ? (mail.report ?? '') : '');
  // Headers say only that delivery is reported about, and subjects of success are known in a few languages.
  const machine: MachineFinding = report.isSuccess ? { ...found, kind: 'READ_RECEIPT' } : found;
  const isBounce = machine.kind === 'BOUNCE';
  return {
    summary,
    sender,
    to: toCorrespondents(mail.to),
    cc: toCorrespondents(mail.cc),
    replyTo: replyToOf(mail, sender),
    bodies,
    protection: protectionOf(mail.headers, bodies.strippedText),
    invitation: meetingInvitation(mail),
    sentAt: validDate(mail.sentAt),
    isDraft: mail.isDraft,
    thread: {
      internetMessageId: summary.internetMessageId,
      // A report quotes the mail that bounced; not all of them answer it as well.
      inReplyTo: [
        ...messageIdsIn(mail.inReplyTo),
        ...report.originalIds,
        ...(isBounce ? bouncedMessageIds(bodies.text) : []),
      ],
      references: messageIdsIn(mail.references),
      subject: boundedSubject(mail.subject),
      conversationId:
        mail.conversationId === null
          ? null
          : bounded(cleanLine(mail.conversationId), MAX_CONVERSATION_ID_LENGTH),
      senderAddress: summary.fromAddress,
    },
    ...contentDigestsOf(mail, summary),
    machine,
    headers: mail.headers,
    sizeBytes: sizeOf(mail),
    hasAttachments: mail.hasAttachments,
    bounce: isBounce ? parseBounce({ ...mail, text: `${report.fields}\n\n${bodies.text}` }) : null,
    mayHaveAttachments:
      mail.hasAttachments ||
      bodies.isShortened ||
      (bodies.html?.includes('src="cid:') ?? false) ||
      !USUALLY_WITHOUT_FILES.test(contentTypeOf(mail)),
    isMoreThanText: !/^\s*text\//i.test(contentTypeOf(mail)),
  };
}

/** A text, and a text in two forms. `multipart/mixed` and `multipart/related` are there for the sake of files. */
const USUALLY_WITHOUT_FILES = /^\s*(?:text\/|multipart\/alternative\b)/i;

/** RFC 2045, 5.2: without the header it is plain text. */
function contentTypeOf({ headers }: IncomingMail): string {
  const header = headers.find(({ name }) => name.toLowerCase() === 'content-type');
  return header?.value ?? 'text/plain';
}

/** Graph repeats the sender where a mail has no `Reply-To`. */
function replyToOf({ replyTo }: IncomingMail, { emailAddress }: Correspondent): Correspondent[] {
  const given = toCorrespondents(replyTo).slice(0, MAX_REPLY_TO);
  return given.length === 1 && given[0]?.emailAddress === emailAddress ? [] : given;
}

/** In UTF-8, in which mail travels. */
function sizeOf({ headers, body }: IncomingMail): number {
  // A colon, a space and the end of the line.
  const ofHeader = ({ name, value }: { name: string; value: string }) =>
    Buffer.byteLength(name) + Buffer.byteLength(value) + 4;
  return headers.reduce((sum, header) => sum + ofHeader(header), Buffer.byteLength(body.content));
}

function boundedSubject(subject: string): string {
  return bounded(cleanLine(subject), MAX_SUBJECT_LENGTH);
}

/** An invalid date, or one of a year that PostgreSQL reads otherwise, would fail the statement of the whole page. */
function validDate(date: Date | null): Date | null {
  const year = date?.getUTCFullYear() ?? Number.NaN;
  return year >= 1 && year <= 9_999 ? date : null;
}
