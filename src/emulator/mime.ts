import PostalMime, { type Address, type Attachment, type Email } from 'postal-mime';
import { GraphFault } from './graph-fault.ts';
import { newDefaultId, newInternetMessageId } from './ids.ts';
import { blankMail, type MailContent } from './mail-content.ts';
import type { MailAddress, StoredAttachment } from './mailbox.ts';
import { findMeeting } from './meeting.ts';

/**
 * Reads a `message/rfc822` source (RFC 5322, MIME) into a mail, as Exchange would on arrival.
 * Throws 400 `ErrorMimeContentInvalid` with the reason when the bytes are not a mail.
 */
export async function parseMime(source: Buffer, now: number): Promise<MailContent> {
  assertHeaderBlock(source);
  const email = await parsed(source);
  const [from] = flat([email.from]);
  if (from === undefined) throw malformed('There is no From header with an address.');
  const sentAt = Date.parse(email.date ?? '');
  const found = findMeeting(email.attachments);
  const files = email.attachments.filter((part) => part !== found?.part);
  return {
    ...blankMail(now),
    subject: email.subject ?? '',
    sentAt: Number.isNaN(sentAt) ? now : sentAt,
    from,
    sender: flat([email.sender])[0] ?? from,
    to: flat(email.to),
    cc: flat(email.cc),
    bcc: flat(email.bcc),
    replyTo: flat(email.replyTo),
    importance: importanceOf(email),
    internetMessageId: email.messageId ?? newInternetMessageId(),
    headers: email.headers.map(({ originalKey, value }) => ({ name: originalKey, value })),
    body:
      email.html === undefined
        ? { contentType: 'text', content: email.text ?? found?.meeting.description ?? '' }
        : { contentType: 'html', content: email.html },
    attachments:
      signedEntity(source, email, now) ??
      (await Promise.all(files.map((part, index) => attachmentOf(part, index, now)))),
    isReadReceiptRequested: headerIn(email, 'disposition-notification-to') !== undefined,
    extendedProperties: new Map([['String 0x001A', found?.meeting.messageClass ?? messageClassOf(email)]]),
    ...(found === undefined ? {} : { meeting: found.meeting }),
    source,
  };
}

async function parsed(source: Buffer): Promise<Email> {
  try {
    // A forwarded mail stays an attachment of its own, as Exchange keeps it; the parser would otherwise merge its text.
    return await PostalMime.parse(source, { forceRfc822Attachments: true });
  } catch (error) {
    throw malformed(error instanceof Error ? error.message : 'The MIME structure cannot be read.');
  }
}

/** The parser forgives nearly everything; what has no header block, or a multipart without boundary, is no mail. */
function assertHeaderBlock(source: Buffer): void {
  if (source.length === 0) throw malformed('The body is empty.');
  const text = source.subarray(0, 256 * 1024).toString('latin1');
  const [block = ''] = text.split(/\r?\n\r?\n/, 1);
  const lines = block.split(/\r?\n/);
  const bad = lines.findIndex((line, index) => {
    const continues = index > 0 && /^[ \t]/.test(line);
    const isMboxMark = index === 0 && line.startsWith('From ');
    return !continues && !isMboxMark && !/^[!-9;-~]+[ \t]*:/.test(line);
  });
  if (bad !== -1) throw malformed(`Line ${bad + 1} is not a header.`);
  const contentType = /^content-type:((?:.|\r?\n[ \t])*)/im.exec(block)?.[1] ?? '';
  if (/multipart\//i.test(contentType) && !/boundary\s*=/i.test(contentType)) {
    throw malformed('The Content-Type is multipart, but has no boundary.');
  }
}

async function attachmentOf(part: Attachment, index: number, now: number): Promise<StoredAttachment> {
  const content =
    typeof part.content === 'string' ? Buffer.from(part.content) : Buffer.from(new Uint8Array(part.content));
  const isItem = part.mimeType === 'message/rfc822';
  const contentId = part.contentId?.replace(/^<|>$/g, '') ?? null;
  return {
    id: newDefaultId(),
    kind: isItem ? 'item' : 'file',
    name: isItem ? await subjectOf(content, part.filename) : (part.filename ?? `attachment-${index + 1}`),
    contentType: isItem ? null : part.mimeType,
    isInline: !isItem && contentId !== null && (part.disposition === 'inline' || part.related === true),
    contentId,
    content,
    lastModifiedAt: now,
  };
}

/**
 * What Exchange keeps of a mail that is S/MIME-signed in the clear (MS-OXOSMIME): its text as usual, and all that was
 * signed, with the signature, in one file. Undefined for all other mail.
 */
function signedEntity(source: Buffer, email: Email, now: number): StoredAttachment[] | undefined {
  const contentType = headerIn(email, 'content-type') ?? '';
  if (!isClearSigned(contentType)) return undefined;
  const body = /\r?\n\r?\n/.exec(source.toString('latin1'));
  const start = body === null ? source.length : body.index + body[0].length;
  return [
    {
      id: newDefaultId(),
      kind: 'file',
      name: 'smime.p7m',
      contentType: 'multipart/signed',
      isInline: false,
      contentId: null,
      content: Buffer.concat([Buffer.from(`Content-Type: ${contentType}\r\n\r\n`), source.subarray(start)]),
      lastModifiedAt: now,
    },
  ];
}

function isClearSigned(contentType: string): boolean {
  return /^\s*multipart\/signed\b/i.test(contentType) && /pkcs7-signature/i.test(contentType);
}

async function subjectOf(source: Buffer, filename: string | null): Promise<string> {
  const nested = await PostalMime.parse(source, { forceRfc822Attachments: true }).catch(() => undefined);
  return nested?.subject ?? filename ?? 'Untitled';
}

function flat(addresses: readonly (Address | undefined)[] | undefined): MailAddress[] {
  return (addresses ?? []).flatMap((address) => {
    if (address === undefined) return [];
    if (address.group !== undefined) return flat(address.group);
    if (address.address === '') return [];
    return [{ name: address.name === '' ? address.address : address.name, address: address.address }];
  });
}

function importanceOf(email: Email): MailContent['importance'] {
  const importance = headerIn(email, 'importance')?.trim().toLowerCase();
  if (importance === 'high' || importance === 'low') return importance;
  const priority = headerIn(email, 'x-priority')?.trim().charAt(0);
  if (priority === '1' || priority === '2') return 'high';
  return priority === '4' || priority === '5' ? 'low' : 'normal';
}

/** `PidTagMessageClass` (MS-OXCMAIL) for the kinds of mail that a help desk must tell apart. */
function messageClassOf(email: Email): string {
  const contentType = headerIn(email, 'content-type') ?? '';
  if (/multipart\/report/i.test(contentType)) {
    if (/delivery-status/i.test(contentType)) return reportClassOf(email);
    if (/disposition-notification/i.test(contentType)) return 'REPORT.IPM.Note.IPNRN';
  }
  if (/^auto-replied/i.test(headerIn(email, 'auto-submitted')?.trim() ?? '')) {
    return 'IPM.Note.Rules.OofTemplate.Microsoft';
  }
  if (isClearSigned(contentType)) return 'IPM.Note.SMIME.MultipartSigned';
  if (/^\s*application\/(?:x-)?pkcs7-mime\b/i.test(contentType)) return 'IPM.Note.SMIME';
  return 'IPM.Note';
}

/** By the action of the report's first recipient (RFC 3464, 2.3.3); what has no part for machines is a mail as any other. */
function reportClassOf({ attachments }: Email): string {
  const status = attachments.find(({ mimeType }) => /delivery-status$/.test(mimeType))?.content;
  if (status === undefined) return 'IPM.Note';
  const fields = typeof status === 'string' ? status : Buffer.from(new Uint8Array(status)).toString('latin1');
  switch (/^Action:\s*([a-z]+)/im.exec(fields)?.[1]?.toLowerCase()) {
    case 'delivered':
      return 'REPORT.IPM.Note.DR';
    case 'relayed':
      return 'REPORT.IPM.Note.Relayed.DR';
    case 'expanded':
      return 'REPORT.IPM.Note.Expanded.DR';
    case 'delayed':
      return 'REPORT.IPM.Note.Delayed.DR';
    default:
      return 'REPORT.IPM.Note.NDR';
  }
}

function headerIn(email: Email, name: string): string | undefined {
  return email.headers.find(({ key }) => key === name)?.value;
}

function malformed(reason: string): GraphFault {
  return new GraphFault(400, 'ErrorMimeContentInvalid', `The MIME content is invalid. ${reason}`);
}
