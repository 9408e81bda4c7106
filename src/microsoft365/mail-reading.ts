/*
 * From Graph's JSON to mail. Graph is strict with us and free with itself: what a mail can do without may be missing,
 * null or odd, and only a mail without an id or body is refused.
 */
import { z } from 'zod';
import type { IncomingAttachment, IncomingMail, MailAddress } from './mail.ts';
import { meetingClassOf } from './mail-meeting.ts';
import { parseMessageIds } from './message-ids.ts';

/** What is asked for of each mail. `uniqueBody` and the headers come only when asked for. */
export const MAIL_PROPERTIES = [
  'id',
  'internetMessageId',
  'conversationId',
  'subject',
  'from',
  'sender',
  'replyTo',
  'toRecipients',
  'ccRecipients',
  'receivedDateTime',
  'sentDateTime',
  'isDraft',
  'hasAttachments',
  'body',
  'uniqueBody',
  'internetMessageHeaders',
] as const;

/** Without content: `contentId` belongs to the derived type and needs its name. */
export const ATTACHMENT_PROPERTIES = [
  'id',
  'name',
  'contentType',
  'size',
  'isInline',
  'microsoft.graph.fileAttachment/contentId',
] as const;

const text = z.string().nullish();
/** What a mail can do without: of another type it counts as missing. */
const looseText = text.catch(null);
const looseFlag = z.boolean().nullish().catch(null);
const recipient = z
  .object({ emailAddress: z.object({ name: looseText, address: text }).nullish() })
  .nullish()
  .catch(null);
const recipients = z.array(recipient).nullish().catch(null);
const body = z.object({ contentType: looseText, content: text });
const header = z.object({ name: z.string(), value: looseText }).nullable().catch(null);

const message = z.object({
  '@odata.type': looseText,
  id: z.string().min(1),
  internetMessageId: looseText,
  conversationId: looseText,
  subject: looseText,
  from: recipient,
  sender: recipient,
  replyTo: recipients,
  toRecipients: recipients,
  ccRecipients: recipients,
  receivedDateTime: looseText,
  sentDateTime: looseText,
  isDraft: looseFlag,
  hasAttachments: looseFlag,
  body,
  uniqueBody: body.nullish().catch(null),
  parentFolderId: looseText,
  internetMessageHeaders: z.array(header).nullish().catch(null),
});

const attachment = z.object({
  '@odata.type': z.string(),
  id: z.string().min(1),
  name: text,
  contentType: text,
  size: z.number().nullish(),
  isInline: z.boolean().nullish(),
  contentId: text,
  sourceUrl: text,
});

/** Reads a mail. Throws `ZodError` when it has no id or no body. */
export function readMail(json: unknown): IncomingMail {
  const raw = message.parse(json);
  const headers = (raw.internetMessageHeaders ?? []).flatMap((one) =>
    one === null ? [] : [{ name: one.name, value: one.value ?? '' }],
  );
  const idsOf = (wanted: string) =>
    parseMessageIds(
      headers
        .filter(({ name }) => name.toLowerCase() === wanted)
        .map(({ value }) => value)
        .join(' '),
    );
  const meetingClass = meetingClassOf(raw['@odata.type']);
  return {
    graphMessageId: raw.id,
    internetMessageId: raw.internetMessageId || null,
    conversationId: raw.conversationId || null,
    subject: raw.subject ?? '',
    from: readAddress(raw.from) ?? readAddress(raw.sender),
    replyTo: readAddresses(raw.replyTo),
    to: readAddresses(raw.toRecipients),
    cc: readAddresses(raw.ccRecipients),
    receivedAt: readArrival(raw.receivedDateTime),
    sentAt: readDate(raw.sentDateTime),
    isDraft: raw.isDraft ?? false,
    hasAttachments: raw.hasAttachments ?? false,
    body: readBody(raw.body),
    uniqueBody: raw.uniqueBody ? readBody(raw.uniqueBody) : null,
    inReplyTo: idsOf('in-reply-to'),
    references: idsOf('references'),
    headers,
    ...(raw.parentFolderId ? { folderId: raw.parentFolderId } : {}),
    ...(meetingClass === null ? {} : { messageClass: meetingClass }),
  };
}

/** Reads an attachment's description. Throws `ZodError` when it has no id or type. */
export function readAttachment(json: unknown): IncomingAttachment {
  const raw = attachment.parse(json);
  const type = raw['@odata.type'].toLowerCase();
  const kind = type.endsWith('itemattachment')
    ? 'ITEM'
    : type.endsWith('referenceattachment')
      ? 'LINK'
      : 'FILE';
  return {
    graphAttachmentId: raw.id,
    kind,
    name: raw.name ?? '',
    contentType: raw.contentType || (kind === 'ITEM' ? 'message/rfc822' : 'application/octet-stream'),
    sizeBytes: raw.size ?? 0,
    contentId: raw.contentId?.replaceAll(/^<|>$/g, '') || null,
    isInline: raw.isInline ?? false,
    link: raw.sourceUrl || null,
  };
}

/** The id of whatever has one, for reports about what cannot be read. */
export function readId(json: unknown): string | null {
  const parsed = z.object({ id: z.string().min(1) }).safeParse(json);
  return parsed.success ? parsed.data.id : null;
}

function readAddress(raw: z.infer<typeof recipient>): MailAddress | null {
  const emailAddress = raw?.emailAddress?.address?.trim().toLowerCase() ?? '';
  if (emailAddress === '') return null;
  return { name: raw?.emailAddress?.name?.trim() || null, emailAddress };
}

function readAddresses(raw: z.infer<typeof recipients>): MailAddress[] {
  return (raw ?? []).map(readAddress).filter((address) => address !== null);
}

function readBody(raw: z.infer<typeof body>): IncomingMail['body'] {
  return {
    contentType: raw.contentType?.toLowerCase() === 'html' ? 'html' : 'text',
    content: raw.content ?? '',
  };
}

/**
 * Exchange and Outlook write "no time" as the year 1 or 1601. Taken at its word, such mail would be older than whatever the
 * mailbox is to receive, and be left out without a trace.
 */
function readArrival(raw: string | null | undefined): Date | null {
  const date = readDate(raw);
  return date !== null && date.getTime() > 0 ? date : null;
}

function readDate(raw: string | null | undefined): Date | null {
  const milliseconds = Date.parse(raw ?? '');
  return Number.isNaN(milliseconds) ? null : new Date(milliseconds);
}
