import type { Message, Recipient } from '@microsoft/microsoft-graph-types';
import { graphDateTime } from './clock.ts';
import type { MailAddress, StoredMessage } from './mailbox.ts';
import { meetingJson } from './meeting.ts';
import { bodyAs, previewOf, uniqueBodyOf, withoutActiveContent } from './message-body.ts';
import type { Preferences } from './prefer.ts';

/** How a client wants its messages. */
export interface MessageView {
  /** `null`: every property that comes without asking. */
  select: ReadonlySet<string> | null;
  preferences: Preferences;
  /** Ids of the extended properties asked for with `$expand`. */
  extendedProperties: readonly string[];
}

/** A message's JSON with OData annotations. */
export type MessageJson = Message & Record<string, unknown>;

type Property = (message: StoredMessage, view: MessageView) => unknown;

/** Every property of `microsoft.graph.message` that the emulator gives, in Graph's order. */
const PROPERTIES: Readonly<Record<string, Property>> = {
  createdDateTime: (message) => graphDateTime(message.createdAt),
  lastModifiedDateTime: (message) => graphDateTime(message.modifiedAt),
  changeKey: (message) => message.changeKey,
  categories: (message) => message.categories,
  receivedDateTime: (message) => graphDateTime(message.receivedAt),
  sentDateTime: (message) => graphDateTime(message.sentAt),
  hasAttachments: (message) => message.attachments.some((attachment) => !attachment.isInline),
  internetMessageId: (message) => message.internetMessageId,
  subject: (message) => message.subject,
  bodyPreview: (message) => previewOf(message.body),
  importance: (message) => message.importance,
  parentFolderId: (message) => message.folderId,
  conversationId: (message) => message.conversationId,
  conversationIndex: (message) => message.conversationIndex.toString('base64'),
  isDeliveryReceiptRequested: (message) => message.isDeliveryReceiptRequested,
  isReadReceiptRequested: (message) => message.isReadReceiptRequested,
  isRead: (message) => message.isRead,
  isDraft: (message) => message.isDraft,
  webLink: (message) =>
    `https://outlook.office365.com/owa/?ItemID=${encodeURIComponent(message.id)}&exvsurl=1`,
  inferenceClassification: (message) => message.inferenceClassification,
  internetMessageHeaders: (message) => message.headers,
  body: (message, view) => shownBody(bodyAs(message.body, view.preferences.bodyType), view),
  uniqueBody: (message, view) =>
    shownBody(bodyAs(uniqueBodyOf(message.body), view.preferences.bodyType), view),
  sender: (message) => recipientOf(message.sender ?? message.from),
  from: (message) => recipientOf(message.from),
  toRecipients: (message) => message.to.map(recipientOf),
  ccRecipients: (message) => message.cc.map(recipientOf),
  bccRecipients: (message) => message.bcc.map(recipientOf),
  replyTo: (message) => message.replyTo.map(recipientOf),
  flag: (message) => message.flag,
};

/** These come only when `$select` names them. */
const ONLY_WHEN_SELECTED = new Set(['internetMessageHeaders', 'uniqueBody']);

/** What a message may be selected by. */
export function isMessageProperty(name: string): boolean {
  return name === 'id' || name in PROPERTIES;
}

/** The message as Graph would send it: the id is of the wanted kind, only what was selected is there. */
export function messageJson(message: StoredMessage, view: MessageView): MessageJson {
  const json: MessageJson = {
    ...(message.meeting === undefined ? {} : { '@odata.type': message.meeting.odataType }),
    '@odata.etag': `W/"${message.changeKey}"`,
    id: shownId(message, view.preferences),
  };
  for (const [name, property] of Object.entries(PROPERTIES)) {
    const wanted = view.select === null ? !ONLY_WHEN_SELECTED.has(name) : view.select.has(name);
    if (wanted) json[name] = property(message, view);
  }
  // Of a derived type, so that a `$select` cannot name them.
  if (message.meeting !== undefined && view.select === null)
    Object.assign(json, meetingJson(message.meeting));
  const extended = view.extendedProperties.flatMap((id) => {
    const value = extendedPropertyOf(message, id);
    return value === undefined ? [] : [{ id: withoutZeros(id), value }];
  });
  if (extended.length > 0) json.singleValueExtendedProperties = extended;
  return json;
}

/** The immutable id where the client prefers it, else the default id. */
export function shownId(message: { id: string; immutableId: string }, preferences: Preferences): string {
  return preferences.immutableIds ? message.immutableId : message.id;
}

/** An extended property: one that was written, or one of those Exchange keeps itself (MS-OXPROPS). */
export function extendedPropertyOf(message: StoredMessage, id: string): string | undefined {
  const written = message.extendedProperties.get(id) ?? withAnyCase(message.extendedProperties, id);
  if (written !== undefined) return written;
  switch (id.toLowerCase()) {
    case 'string 0x001a':
      return 'IPM.Note';
    case 'string 0x007d':
      return message.headers.map(({ name, value }) => `${name}: ${value}\r\n`).join('');
    case 'string 0x1035':
      return message.internetMessageId;
    case 'string 0x1042':
      return headerOf(message, 'in-reply-to');
    case 'string 0x1039':
      return headerOf(message, 'references');
    default:
      return undefined;
  }
}

/** Graph writes a tag in its own way: `String 0x1a` for `String 0x001A`. */
function withoutZeros(id: string): string {
  return id.replace(/ 0x0*([0-9a-f]+)$/i, (_, tag: string) => ` 0x${tag.toLowerCase()}`);
}

/** GUIDs and types are written in either case. */
function withAnyCase(properties: ReadonlyMap<string, string>, id: string): string | undefined {
  const wanted = id.toLowerCase();
  for (const [name, value] of properties) if (name.toLowerCase() === wanted) return value;
  return undefined;
}

/** The first value of a header; undefined when the message has none of that name. */
export function headerOf(message: Pick<StoredMessage, 'headers'>, name: string): string | undefined {
  return message.headers.find((header) => header.name?.toLowerCase() === name)?.value ?? undefined;
}

function shownBody(body: ReturnType<typeof bodyAs>, view: MessageView) {
  return view.preferences.unsafeHtml ? body : withoutActiveContent(body);
}

function recipientOf(address: MailAddress | null): Recipient | null {
  return address === null ? null : { emailAddress: { name: address.name, address: address.address } };
}
