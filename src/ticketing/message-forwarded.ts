import PostalMime from 'postal-mime';
import type { EntityManager } from '../platform/database.ts';
import type { ObjectStorages } from '../platform/object-storage.ts';
import { openAttachment } from './attachments.ts';
import { forwardedFrom } from './forwarded.ts';
import type { Correspondent } from './message.entity.ts';
import { attachmentsOf } from './message-list.ts';
import { isForwardSubject } from './subject.ts';

/** The header of an attached mail lies in its first bytes; no more of it is read. */
const HEADER_BYTES = 64 * 1024;

/** Short enough to be one (RFC 5321, 4.5.3.1), and without what would break a line or a list of addresses. */
const ADDRESS = /^[^\s<>,;]{1,64}@[^\s<>,;@]{1,255}$/u;

/** A message, as far as it tells what it forwards. */
export interface ForwardingMessage {
  id: string;
  subject: string;
  /** Its beginning is enough. */
  text: string;
}

/**
 * Who wrote the mail that a message forwards: by the words of its text, else, where it was forwarded as an attachment, by
 * the header of the only mail that is attached. Null when the subject has no forward prefix, when several mails are
 * attached, or while the attached one is not stored yet. Anybody can write such lines: an offer to people.
 */
export async function forwardedSender(
  em: EntityManager,
  storages: ObjectStorages,
  { id, subject, text }: ForwardingMessage,
  signal?: AbortSignal,
): Promise<Correspondent | null> {
  if (!isForwardSubject(subject)) return null;
  const byText = forwardedFrom(subject, text);
  if (byText !== null) return byText;
  const mails = (await attachmentsOf(em, id)).filter(
    ({ name, contentType }) => contentType === 'message/rfc822' || /\.eml$/i.test(name),
  );
  const [mail] = mails;
  if (mail === undefined || mails.length > 1 || mail.state !== 'STORED' || mail.sizeBytes === 0) return null;
  const range = { start: 0, end: Math.min(mail.sizeBytes, HEADER_BYTES) - 1 };
  const opened = await openAttachment(em, storages, mail.id, { range, ...(signal && { signal }) });
  return opened === null ? null : senderByHeader(await Array.fromAsync(opened.chunks));
}

/** By `From` (RFC 5322, 3.6.2). The header alone is parsed: the body is cut off in the middle. */
async function senderByHeader(chunks: readonly Uint8Array[]): Promise<Correspondent | null> {
  const [header = ''] = Buffer.concat(chunks)
    .toString('latin1')
    .split(/\r?\n\r?\n/, 1);
  try {
    const { from } = await PostalMime.parse(Buffer.from(`${header}\r\n\r\n`, 'latin1'));
    const address = from?.address?.trim().toLowerCase() ?? '';
    if (!ADDRESS.test(address)) return null;
    const name = from?.name.trim().slice(0, 200) ?? '';
    return { name: name === '' || name.toLowerCase() === address ? null : name, emailAddress: address };
  } catch {
    return null; // whatever is attached, it is no mail
  }
}
