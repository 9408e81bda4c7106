import type { DirectoryUser } from './directory-user.ts';
import { GraphFault } from './graph-fault.ts';
import { newInternetMessageId } from './ids.ts';
import { blankMail, type MailContent, referencesOf } from './mail-content.ts';
import type { MailAddress, StoredMessage } from './mailbox.ts';
import { bodyAs } from './message-body.ts';
import { type MessageInput, mailFromInput } from './message-input.ts';
import { headerOf } from './message-view.ts';
import { parseMime } from './mime.ts';
import { primaryAddress } from './send-rights.ts';

/** A draft from JSON; it already has the `Message-ID` it will be sent with. */
export function newDraft(input: MessageInput, owner: DirectoryUser, now: number): MailContent {
  const own = primaryAddress(owner);
  const draft: MailContent = {
    ...blankMail(now),
    from: own,
    internetMessageId: newInternetMessageId(domainOf(own.address)),
    isDraft: true,
    isRead: true,
    ...mailFromInput(input, now),
  };
  return { ...draft, isDraft: true };
}

/**
 * A draft from MIME in base64. The sender is the mailbox, whatever the MIME says, and the `Message-ID` is a new one;
 * the other headers are kept. Throws 400 when it is neither base64 nor MIME.
 */
export async function draftFromMime(base64: string, owner: DirectoryUser, now: number): Promise<MailContent> {
  const compact = base64.replace(/\s+/g, '');
  if (compact === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(compact)) {
    throw new GraphFault(
      400,
      'ErrorMimeContentInvalidBase64String',
      'Invalid base64 string for MIME content.',
    );
  }
  const mail = await parseMime(Buffer.from(compact, 'base64'), now);
  const own = primaryAddress(owner);
  return {
    ...mail,
    from: own,
    sender: own,
    internetMessageId: newInternetMessageId(domainOf(own.address)),
    isDraft: true,
    isRead: true,
    source: null,
  };
}

/** A reply as `createReply` makes it: recipients, subject, threading headers and the quoted body are filled in. */
export function newReply(
  original: StoredMessage,
  owner: DirectoryUser,
  input: { message: MessageInput; comment: string | null; toAll: boolean },
  now: number,
): MailContent {
  const to = original.replyTo.length > 0 ? original.replyTo : original.from === null ? [] : [original.from];
  const own = primaryAddress(owner).address.toLowerCase();
  const others = (addresses: readonly MailAddress[]) =>
    addresses.filter(({ address }) => address.toLowerCase() !== own);
  const draft = newDraft(input.message, owner, now);
  return {
    ...draft,
    subject:
      input.message.subject ??
      (/^re:/i.test(original.subject) ? original.subject : `RE: ${original.subject}`),
    to: draft.to.length > 0 ? draft.to : input.toAll ? [...to, ...others(original.to)] : to,
    cc: draft.cc.length > 0 || !input.toAll ? draft.cc : others(original.cc),
    body: input.message.body ?? quotedBody(original, input.comment ?? ''),
    headers: replyHeaders(original, draft.headers),
  };
}

/** The headers of a reply: those that the client gave, and where it stands in its thread. */
export function replyHeaders(original: StoredMessage, given: MailContent['headers']): MailContent['headers'] {
  const references = [...new Set([...referencesOf(original), original.internetMessageId])].join(' ');
  const threading = [
    { name: 'In-Reply-To', value: original.internetMessageId },
    { name: 'References', value: references },
    { name: 'Thread-Topic', value: headerOf(original, 'thread-topic') ?? original.subject },
  ];
  const names = new Set(threading.map(({ name }) => name.toLowerCase()));
  return [...given.filter(({ name }) => !names.has(name?.toLowerCase() ?? '')), ...threading];
}

function quotedBody(original: StoredMessage, comment: string): MailContent['body'] {
  const { content } = bodyAs(original.body, 'html');
  const escaped = comment.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/\n/g, '<br>\n');
  return {
    contentType: 'html',
    content: `<div>${escaped}</div><hr tabindex="-1"><div id="divRplyFwdMsg"><b>From:</b> ${original.from?.address ?? ''}<br><b>Subject:</b> ${original.subject}</div>${content}`,
  };
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1);
}
