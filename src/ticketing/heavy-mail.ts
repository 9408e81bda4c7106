import type { IncomingMail, MailBody } from '../microsoft365/mail.ts';
import type { PreparedMail } from './prepare-mail.ts';

/** Characters of both bodies and a report's source together; reading that much takes some 30 ms at worst, and 3 ms usually. */
const LIGHT_BODY_LENGTH = 20_000;
/** Plain text of many lines is looked at line by line, and by the reply parser. */
const LIGHT_TEXT_LENGTH = 8_000;
/** Exchange itself writes some 10,000 characters of headers. */
const LIGHT_HEADER_LENGTH = 60_000;
/** Recipients, references and headers, each. */
const LIGHT_COUNT = 500;

/** What is left of a mail that cannot be read in time. */
const BARE_TEXT_LENGTH = 4_000;
const BARE_HEADER_LENGTH = 2_000;
const BARE_COUNT = 100;
const BARE_NOTE =
  'This message could not be read in the time that one message may take; this is the beginning of its text.';

/** Whether reading a mail may take longer than everybody else should wait for: large ones, and those of odd dimensions. */
export function isHeavyMail(mail: IncomingMail): boolean {
  const { body, uniqueBody, headers, subject } = mail;
  const bodies = body.content.length + (uniqueBody?.content.length ?? 0) + (mail.report?.length ?? 0);
  if (bodies > (body.contentType === 'text' ? LIGHT_TEXT_LENGTH : LIGHT_BODY_LENGTH)) return true;
  const lists = [headers, mail.to, mail.cc, mail.replyTo, mail.references, mail.inReplyTo];
  if (lists.some(({ length }) => length > LIGHT_COUNT)) return true;
  let length = subject.length + (mail.internetMessageId?.length ?? 0) + (mail.conversationId?.length ?? 0);
  for (const { name, value } of headers) length += name.length + value.length;
  for (const id of [...mail.references, ...mail.inReplyTo]) length += id.length;
  for (const one of [mail.from, ...mail.to, ...mail.cc, ...mail.replyTo]) {
    length += (one?.name?.length ?? 0) + (one?.emailAddress.length ?? 0);
  }
  return length > LIGHT_HEADER_LENGTH;
}

/** A mail with the beginning of its text only, and of its headers: light, whatever it was. */
export function bareMail(mail: IncomingMail): IncomingMail {
  const short = (text: string) => text.slice(0, BARE_HEADER_LENGTH);
  const person = <One extends IncomingMail['from']>(one: One) =>
    one && { name: one.name && short(one.name), emailAddress: short(one.emailAddress) };
  const people = (list: IncomingMail['to']) => list.slice(0, BARE_COUNT).flatMap((one) => person(one) ?? []);
  const ids = (list: readonly string[]) => list.slice(-BARE_COUNT).map(short);
  return {
    ...mail,
    subject: short(mail.subject),
    from: person(mail.from),
    replyTo: people(mail.replyTo),
    to: people(mail.to),
    cc: people(mail.cc),
    inReplyTo: ids(mail.inReplyTo),
    references: ids(mail.references),
    headers: mail.headers
      .slice(0, LIGHT_COUNT)
      .filter(({ name, value }) => name.length + value.length <= BARE_HEADER_LENGTH),
    body: bareBody(mail.body),
    uniqueBody: null,
    ...(mail.report === undefined ? {} : { report: mail.report.slice(0, 5 * BARE_TEXT_LENGTH) }),
  };
}

/** What was made of a {@link bareMail}, saying that it is not the whole mail. */
export function preparedAsShortened(prepared: PreparedMail): PreparedMail {
  // Which images its text names nobody knows any more.
  return { ...prepared, bodies: { ...prepared.bodies, isShortened: true }, mayHaveAttachments: true };
}

function bareBody({ contentType, content }: MailBody): MailBody {
  const beginning = content.slice(0, 10 * BARE_TEXT_LENGTH);
  const text = contentType === 'text' ? beginning : beginning.replace(/<[^<>]*>?/g, ' ').replace(/\s+/g, ' ');
  return { contentType: 'text', content: `${text.slice(0, BARE_TEXT_LENGTH)}\n\n[${BARE_NOTE}]` };
}
