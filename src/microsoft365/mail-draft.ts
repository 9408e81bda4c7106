/*
 * What a draft says, as Graph's JSON, and where one at Microsoft says something else. Pure.
 * https://learn.microsoft.com/graph/api/user-post-messages
 */
import { z } from 'zod';
import { GraphError } from './graph-error.ts';
import type { MailAddress } from './mail.ts';
import type { OutgoingMail } from './mail-sending.ts';

/** Where the id of the outbound message is kept: a named property of our own, which `$filter` finds in any folder. */
export const OUTBOUND_MESSAGE_PROPERTY =
  'String {3d1c5f0e-6c0b-4d0a-9a53-6d7f8f1e2b47} Name DeskgraphOutboundMessage';
/** `PidTagInReplyToId` and `PidTagInternetReferences` ([MS-OXPROPS]): Exchange writes them as headers of the mail. */
const IN_REPLY_TO_PROPERTY = 'String 0x1042';
const REFERENCES_PROPERTY = 'String 0x1039';
/**
 * `PS_INTERNET_HEADERS`: Exchange writes named properties of this set as headers ([MS-OXCMAIL] 2.1.3.2.4), also those that
 * Graph does not take as headers because they do not begin with `x-`. It drops some of them on the way out.
 */
const headerProperty = (name: string) => `String {00020386-0000-0000-C000-000000000046} Name ${name}`;
/** RFC 3834. */
const AUTO_SUBMITTED = 'Auto-Submitted';

/** The body in bytes. Graph takes 4 MB of JSON, and what JSON and Exchange add to HTML is not known beforehand. */
const LARGEST_BODY_BYTES = 2_500_000;
/** A request of more than 4 MB is answered with 413. */
const LARGEST_JSON_BYTES = 4_000_000;
/** Ids of a long thread that are kept: its first, by which others group it, and the newest. */
const MOST_REFERENCES = 20;
/** Some mail servers refuse headers that are much longer. */
const LONGEST_REFERENCES = 2_000;

/** Someone as Graph writes it. */
interface Recipient {
  emailAddress: { address: string; name?: string };
}

/** What of a draft we decide; Exchange has ideas of its own for replies. */
export interface DraftContent {
  subject: string;
  body: { contentType: 'html' | 'text'; content: string };
  from: Recipient;
  replyTo: Recipient[];
  toRecipients: Recipient[];
  ccRecipients: Recipient[];
  bccRecipients: Recipient[];
}

export interface ExtendedProperty {
  id: string;
  value: string;
}

interface MailHeader {
  name: string;
  value: string;
}

/** A draft as it is made: headers can be given only then. */
export interface NewDraft extends DraftContent {
  internetMessageHeaders: MailHeader[];
  singleValueExtendedProperties: ExtendedProperty[];
}

const recipient = z.object({ emailAddress: z.object({ address: z.string().nullish() }).nullish() });
const recipients = z.array(recipient).nullish();

/** What Graph tells of a draft, as far as we say it. */
export const draftSchema = z.object({
  subject: z.string().nullish(),
  body: z.object({ contentType: z.string().nullish(), content: z.string().nullish() }).nullish(),
  from: recipient.nullish(),
  replyTo: recipients,
  toRecipients: recipients,
  ccRecipients: recipients,
  bccRecipients: recipients,
  singleValueExtendedProperties: z.array(z.object({ id: z.string(), value: z.string() })).nullish(),
  internetMessageHeaders: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
});
export type FoundDraft = z.infer<typeof draftSchema>;

/** What the draft shall say. Throws `GraphError` `MESSAGE_TOO_LARGE`. */
export function draftContent(mail: OutgoingMail): DraftContent {
  const content: DraftContent = {
    subject: mail.subject,
    body: mail.body,
    from: toRecipient(mail.from),
    replyTo: mail.replyTo.map(toRecipient),
    toRecipients: mail.to.map(toRecipient),
    ccRecipients: mail.cc.map(toRecipient),
    bccRecipients: mail.bcc.map(toRecipient),
  };
  if (
    Buffer.byteLength(mail.body.content) > LARGEST_BODY_BYTES ||
    Buffer.byteLength(JSON.stringify(content)) > LARGEST_JSON_BYTES
  ) {
    throw new GraphError(
      'MESSAGE_TOO_LARGE',
      `The text of the mail is larger than ${LARGEST_BODY_BYTES / 1_000_000} MB, which Microsoft 365 does not take.`,
    );
  }
  return content;
}

/**
 * The draft of a mail. `isThreaded`: Exchange writes the threading headers itself, as in a reply that it makes. Throws
 * `GraphError` `MESSAGE_TOO_LARGE`.
 */
export function newDraft(mail: OutgoingMail, isThreaded: boolean): NewDraft {
  return {
    ...draftContent(mail),
    internetMessageHeaders: headersOf(mail),
    singleValueExtendedProperties: [
      ...lastingProperties(mail),
      ...(isThreaded ? [] : threadingProperties(mail)),
    ],
  };
}

/** The ids of the properties that {@link differences} looks for. */
export function propertiesLookedFor(mail: OutgoingMail): string[] {
  const headers = headersOf(mail).map(({ name }) => headerProperty(name));
  return [...lastingProperties(mail).map(({ id }) => id), ...headers];
}

/** The parts that a draft at Microsoft says otherwise than it shall; null when there are none. */
export function differences(mail: OutgoingMail, found: FoundDraft): Partial<NewDraft> | null {
  const wanted = draftContent(mail);
  const change: Partial<NewDraft> = {};
  if ((found.subject ?? '') !== wanted.subject) change.subject = wanted.subject;
  if (!isSameBody(wanted.body, found.body)) change.body = wanted.body;
  if (addressOf(found.from) !== addressOf(wanted.from)) change.from = wanted.from;
  for (const field of ['replyTo', 'toRecipients', 'ccRecipients', 'bccRecipients'] as const) {
    if (!isSamePeople(wanted[field], found[field] ?? [])) change[field] = wanted[field];
  }
  const missing = missingProperties(mail, found);
  if (missing.length > 0) change.singleValueExtendedProperties = missing;
  return Object.keys(change).length === 0 ? null : change;
}

/** The ids for a `References` header: of a long thread the first one and as many of the newest as have room. */
export function capReferences(references: readonly string[]): string[] {
  const [first, ...others] = [...new Set(references)];
  if (first === undefined) return [];
  const newest: string[] = [];
  let length = first.length;
  for (const id of others.reverse()) {
    length += 1 + id.length;
    if (newest.length + 2 > MOST_REFERENCES || length > LONGEST_REFERENCES) break;
    newest.unshift(id);
  }
  return [first, ...newest];
}

function lastingProperties({ outboundMessageId, isAutomatic }: OutgoingMail): ExtendedProperty[] {
  return [
    { id: OUTBOUND_MESSAGE_PROPERTY, value: outboundMessageId },
    ...(isAutomatic ? [{ id: headerProperty(AUTO_SUBMITTED), value: 'auto-generated' }] : []),
  ];
}

/**
 * The properties that the draft lacks, and the headers, as properties: where a reply was not given them as it was made,
 * that is the only way left. Graph may not show the headers of drafts; they are the same properties then, said once more.
 */
function missingProperties(mail: OutgoingMail, found: FoundDraft): ExtendedProperty[] {
  const properties = new Map(
    found.singleValueExtendedProperties?.map(({ id, value }) => [id.toLowerCase(), value]),
  );
  const headers = new Map(
    found.internetMessageHeaders?.map(({ name, value }) => [name.toLowerCase(), value]),
  );
  return [
    ...lastingProperties(mail).filter(({ id, value }) => properties.get(id.toLowerCase()) !== value),
    ...headersOf(mail)
      .filter(({ name, value }) => headers.get(name.toLowerCase()) !== value)
      .map(({ name, value }) => ({ id: headerProperty(name), value }))
      .filter(({ id, value }) => properties.get(id.toLowerCase()) !== value),
  ];
}

function headersOf({ isAutomatic, organizationId, outboundMessageId }: OutgoingMail): MailHeader[] {
  return [
    { name: 'X-Deskgraph-Organization', value: organizationId },
    { name: 'X-Deskgraph-Outbound-Message', value: outboundMessageId },
    // Not for what a person wrote: whoever writes to a customer wants to know that the customer is away.
    ...(isAutomatic ? [{ name: 'X-Auto-Response-Suppress', value: 'All' }] : []),
  ];
}

function threadingProperties({ inReplyTo, references }: OutgoingMail): ExtendedProperty[] {
  const ids = capReferences([...references, ...(inReplyTo === null ? [] : [inReplyTo])]);
  const answered = inReplyTo ?? ids.at(-1);
  if (answered === undefined) return [];
  return [
    { id: IN_REPLY_TO_PROPERTY, value: answered },
    { id: REFERENCES_PROPERTY, value: ids.join(' ') },
  ];
}

function toRecipient({ name, emailAddress }: MailAddress): Recipient {
  return { emailAddress: name === null ? { address: emailAddress } : { address: emailAddress, name } };
}

function addressOf(found: z.infer<typeof recipient> | null | undefined): string {
  return found?.emailAddress?.address?.toLowerCase() ?? '';
}

function isSamePeople(wanted: readonly Recipient[], found: readonly z.infer<typeof recipient>[]): boolean {
  const ours = new Set(wanted.map(addressOf));
  const theirs = new Set(found.map(addressOf));
  return ours.size === theirs.size && [...ours].every((address) => theirs.has(address));
}

/**
 * Exchange rewrites HTML, so that only what people read can be compared, and which pictures there are. Where it is unsure
 * the answer is no: saying the same once more does no harm.
 */
function isSameBody(wanted: DraftContent['body'], found: FoundDraft['body']): boolean {
  if (found?.contentType?.toLowerCase() !== wanted.contentType) return false;
  const theirs = found.content ?? '';
  if (wanted.contentType === 'text') return lettersOf(wanted.content) === lettersOf(theirs);
  return (
    lettersOf(textOf(wanted.content)) === lettersOf(textOf(theirs)) &&
    picturesOf(wanted.content).join() === picturesOf(theirs).join()
  );
}

function textOf(html: string): string {
  return html
    .replaceAll(/<(head|style|script)\b[\s\S]*?<\/\1\s*>/gi, '')
    .replaceAll(/<!--[\s\S]*?-->/g, '')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/&nbsp;|&#160;|&#xa0;/gi, ' ')
    .replaceAll(/&lt;/gi, '<')
    .replaceAll(/&gt;/gi, '>')
    .replaceAll(/&quot;|&#34;/gi, '"')
    .replaceAll(/&apos;|&#39;|&#x27;/gi, "'")
    .replaceAll(/&amp;/gi, '&');
}

function lettersOf(text: string): string {
  return text.replaceAll(/\s+/g, '');
}

function picturesOf(html: string): string[] {
  return [...html.matchAll(/\bcid:([^"'\s>]+)/gi)].map(([, id = '']) => id.toLowerCase());
}
