import MailComposer from 'nodemailer/lib/mail-composer';
import type { MailAddress, StoredAttachment, StoredMessage } from './mailbox.ts';
import { headerOf } from './message-view.ts';

/** Headers that the composer writes itself. */
const COMPOSED = new Set([
  'from',
  'sender',
  'to',
  'cc',
  'bcc',
  'reply-to',
  'subject',
  'date',
  'message-id',
  'in-reply-to',
  'references',
  'mime-version',
  'content-type',
  'content-transfer-encoding',
  'content-disposition',
  'content-id',
]);

/** The MIME source of a message: the bytes it came in as, or else composed from what is stored. */
export async function mimeSourceOf(message: StoredMessage): Promise<Buffer> {
  if (message.source !== null) return message.source;
  const isHtml = message.body.contentType === 'html';
  const content = message.body.content ?? '';
  const inReplyTo = headerOf(message, 'in-reply-to');
  const references = headerOf(message, 'references');
  const composer = new MailComposer({
    ...(message.from === null ? {} : { from: nodemailerAddress(message.from) }),
    ...(message.sender === null || message.sender.address === message.from?.address
      ? {}
      : { sender: nodemailerAddress(message.sender) }),
    to: message.to.map(nodemailerAddress),
    cc: message.cc.map(nodemailerAddress),
    ...(message.replyTo.length === 0 ? {} : { replyTo: message.replyTo.map(nodemailerAddress) }),
    subject: message.subject,
    messageId: message.internetMessageId,
    date: new Date(message.sentAt),
    ...(inReplyTo === undefined ? {} : { inReplyTo }),
    ...(references === undefined ? {} : { references }),
    headers: message.headers.flatMap(({ name, value }) =>
      name == null || COMPOSED.has(name.toLowerCase()) ? [] : [{ key: name, value: value ?? '' }],
    ),
    ...(isHtml ? { html: content } : { text: content }),
    attachments: message.attachments.filter(({ kind }) => kind !== 'reference').map(nodemailerAttachment),
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return await composer.compile().build();
}

function nodemailerAddress({ name, address }: MailAddress) {
  return { name: name === address ? '' : name, address };
}

function nodemailerAttachment(attachment: StoredAttachment) {
  if (attachment.kind === 'item') {
    return { filename: `${attachment.name}.eml`, contentType: 'message/rfc822', content: attachment.content };
  }
  return {
    filename: attachment.name,
    content: attachment.content,
    ...(attachment.contentType === null ? {} : { contentType: attachment.contentType }),
    ...(attachment.contentId === null ? {} : { cid: attachment.contentId }),
    contentDisposition: attachment.isInline ? ('inline' as const) : ('attachment' as const),
  };
}
