import { placeInConversation } from './conversation.ts';
import { newInternetMessageId } from './ids.ts';
import type { Folder, MailAddress, Mailbox, StoredMessage } from './mailbox.ts';
import { headerOf } from './message-view.ts';
import { addMessage, type NewMessage, structuredCopy } from './messages.ts';

/** A mail before any mailbox has it: no place in a conversation yet, which every mailbox keeps for itself. */
export type MailContent = Omit<NewMessage, 'conversationId' | 'conversationIndex'>;

/** An empty mail of this instant, with a fresh `Message-ID`. */
export function blankMail(now: number): MailContent {
  return {
    receivedAt: now,
    sentAt: now,
    subject: '',
    from: null,
    sender: null,
    to: [],
    cc: [],
    bcc: [],
    replyTo: [],
    importance: 'normal',
    isRead: false,
    isDraft: false,
    isDeliveryReceiptRequested: false,
    isReadReceiptRequested: false,
    flag: { flagStatus: 'notFlagged' },
    categories: [],
    inferenceClassification: 'focused',
    internetMessageId: newInternetMessageId(),
    headers: [],
    body: { contentType: 'text', content: '' },
    attachments: [],
    source: null,
    extendedProperties: new Map(),
  };
}

/** Puts a mail into a folder and finds its conversation in this mailbox. The mail itself is copied, not kept. */
export function storeMail(mailbox: Mailbox, folder: Folder, mail: MailContent, now: number): StoredMessage {
  const place = placeInConversation(
    mailbox,
    {
      subject: mail.subject,
      references: referencesOf(mail),
      threadIndex: headerOf(mail, 'thread-index') ?? undefined,
    },
    now,
  );
  return addMessage(mailbox, folder, structuredCopy({ ...mail, ...place }), now);
}

/** The message ids that a mail refers to, the nearest last. */
export function referencesOf(mail: Pick<MailContent, 'headers'>): string[] {
  const references = `${headerOf(mail, 'references') ?? ''} ${headerOf(mail, 'in-reply-to') ?? ''}`;
  return references.match(/<[^<>\s]+>/g) ?? [];
}

/** The headers of a mail that was written as JSON, in the order in which mail programs write them. */
export function writeHeaders(mail: MailContent): MailContent['headers'] {
  const written = [
    ['From', mail.from === null ? '' : addressLine([mail.from])],
    ['Sender', isOnBehalf(mail) && mail.sender !== null ? addressLine([mail.sender]) : ''],
    ['To', addressLine(mail.to)],
    ['Cc', addressLine(mail.cc)],
    ['Reply-To', addressLine(mail.replyTo)],
    ['Subject', mail.subject],
    ['Date', new Date(mail.sentAt).toUTCString().replace('GMT', '+0000')],
    ['Message-ID', mail.internetMessageId],
  ] as const;
  const names = new Set(written.map(([name]) => name.toLowerCase()));
  return [
    ...written.filter(([, value]) => value !== '').map(([name, value]) => ({ name, value })),
    ...mail.headers.filter(({ name }) => !names.has(name?.toLowerCase() ?? '')),
  ];
}

function isOnBehalf({ from, sender }: MailContent): boolean {
  return from !== null && sender !== null && from.address.toLowerCase() !== sender.address.toLowerCase();
}

function addressLine(addresses: readonly MailAddress[]): string {
  return addresses
    .map(({ name, address }) => (name === '' ? address : `"${name.replace(/["\\]/g, '\\$&')}" <${address}>`))
    .join(', ');
}
