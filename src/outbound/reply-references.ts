import type { EntityManager } from '../platform/database.ts';
import { InboundMessage } from '../ticketing/inbound-message.entity.ts';
import { replyReferences } from './compose.ts';
import type { ReplyThread, ThreadMail } from './reply-thread.ts';

/** By what a mail joins a conversation in the programs of its recipients, and in Exchange. */
export interface MailReferences {
  /** With angle brackets; null when the conversation has no mail that could be named. */
  inReplyTo: string | null;
  /** With angle brackets, oldest first. */
  references: string[];
  /** Graph's id of the mail that is answered, where it lies in the mailbox that sends; null: nowhere there. */
  answersGraphMessageId: string | null;
}

/** The addresses that the conversation was written to: of the mail that is answered first, then the nearest. Pure. */
export function addressesWrittenTo({
  related,
  answered,
}: Pick<ReplyThread, 'related' | 'answered'>): string[] {
  const inbound = related.filter(({ kind }) => kind === 'INBOUND');
  const from = answered?.kind === 'INBOUND' ? [answered, ...inbound] : inbound;
  const addresses = from.flatMap(({ to, cc }) => [...to, ...cc].map(({ emailAddress }) => emailAddress));
  return [...new Set(addresses)];
}

/** What a mail of the conversation refers to that is sent from the mailbox; nothing that its reader may not know of. */
export async function referencesOf(
  em: EntityManager,
  { related, answered }: ReplyThread,
  mailboxId: string,
): Promise<MailReferences> {
  const anchor = answered?.message.internetMessageId
    ? answered
    : (related.find(({ message }) => message.internetMessageId) ?? null);
  const inReplyTo = anchor?.message.internetMessageId ?? null;
  const references = replyReferences({
    internetMessageId: inReplyTo,
    references: anchor?.references ?? [],
    earlier: anchor ? earlierIds(related, anchor) : [],
  });
  return { inReplyTo, references, answersGraphMessageId: await graphMessageIdOf(em, anchor, mailboxId) };
}

function earlierIds(mails: readonly ThreadMail[], anchor: ThreadMail): string[] {
  const before = mails.slice(mails.indexOf(anchor) + 1);
  return before.flatMap(({ message }) => message.internetMessageId ?? []).toReversed();
}

/** Graph's id of the mail, where it lies in the mailbox that sends: Exchange then threads by itself. */
async function graphMessageIdOf(
  em: EntityManager,
  anchor: ThreadMail | null,
  mailboxId: string,
): Promise<string | null> {
  if (anchor?.kind !== 'INBOUND') return null;
  const row = await em.findOne(
    InboundMessage,
    { message: anchor.message.id, mailbox: mailboxId },
    { orderBy: { createdAt: 'asc' } },
  );
  return row?.graphMessageId ?? null;
}
