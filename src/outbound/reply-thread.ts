import { NotFoundError } from '../errors.ts';
import type { EntityManager } from '../platform/database.ts';
import type { AutomaticKind } from '../ticketing/machine-mail.ts';
import { Message } from '../ticketing/message.entity.ts';
import { threadingOf } from '../ticketing/message-details.ts';
import type { Ticket } from '../ticketing/ticket.entity.ts';
import type { ThreadMessage } from './recipients.ts';

/** Mails of a ticket that are looked at, the newest ones. */
const MAX_MESSAGES = 200;

/** Kinds that say nothing which anybody would answer. */
const UNANSWERABLE: ReadonlySet<AutomaticKind> = new Set([
  'AUTO_REPLY',
  'OUT_OF_OFFICE',
  'READ_RECEIPT',
  'BOUNCE',
  'CALENDAR_RESPONSE',
  'STORM',
]);

/** A mail of the ticket with all that a reply looks at. */
export interface ThreadMail extends ThreadMessage {
  message: Message;
  /** With angle brackets, oldest first. */
  references: readonly string[];
}

/** The conversation that a reply belongs to. */
export interface ReplyThread {
  /** The newest first. */
  mails: ThreadMail[];
  /** Those that the reply may refer to: all where the caller named one, else {@link openTo} the requester. */
  related: ThreadMail[];
  /** What is answered; null when the ticket has no mail. */
  answered: ThreadMail | null;
  isNamed: boolean;
  /** Whether the requester may see what is answered, see {@link openTo}. */
  isOpen: boolean;
  ownAddresses: Set<string>;
}

/**
 * Loads the conversation and chooses what is answered: the message that the caller names; else, of those that the requester
 * may see, the last that a person outside wrote; else the last one of a machine that somebody may want to answer; else our
 * own last one.
 *
 * Throws NotFoundError when the named message is no mail of the ticket.
 */
export async function loadReplyThread(
  em: EntityManager,
  organizationId: string,
  ticket: Ticket,
  namedMessageId: string | null,
): Promise<ReplyThread> {
  const newest = await em.find(
    Message,
    { ticket: ticket.id, kind: { $in: ['INBOUND', 'OUTBOUND'] } },
    { orderBy: { createdAt: 'desc', id: 'desc' }, limit: MAX_MESSAGES },
  );
  const named =
    namedMessageId === null || newest.some(({ id }) => id === namedMessageId)
      ? []
      : await em.find(Message, {
          id: namedMessageId,
          ticket: ticket.id,
          kind: { $in: ['INBOUND', 'OUTBOUND'] },
        });
  const messages = [...newest, ...named];
  const threading = await threadingOf(
    em,
    organizationId,
    messages.map(({ id }) => id),
  );
  const mails = messages.map((message): ThreadMail => {
    const { kind, from, to, cc, automatic } = message;
    const { replyTo = [], references = [] } = threading.get(message.id) ?? {};
    return { message, kind, from: from ?? null, replyTo, to, cc, automatic: automatic ?? null, references };
  });
  const { emailAddress } = await ticket.requester.loadOrFail();
  const open = openTo(emailAddress, mails, newest.length < MAX_MESSAGES);
  const related = namedMessageId === null ? open : mails;
  const answered =
    namedMessageId === null
      ? answeredByDefault(related)
      : mails.find(({ message }) => message.id === namedMessageId);
  if (answered === undefined) throw new NotFoundError('The message');
  return {
    mails,
    related,
    answered,
    isNamed: namedMessageId !== null,
    isOpen: answered === null || open.includes(answered),
    ownAddresses: await ownAddressesOf(em, organizationId),
  };
}

/**
 * The mails that an answer to the requester may quote without being told to: those of the requester, and of whoever stands
 * in one mail with them or in the mail that opened the ticket. Who was only asked from here, such as a supplier, or came
 * with a ticket that was merged, has written to us: the requester is neither to read it nor to learn of them. Pure.
 *
 * `mails`: the newest first; `isWhole`: the last one opened the ticket.
 */
export function openTo<Mail extends Pick<ThreadMessage, 'kind' | 'from' | 'replyTo' | 'to' | 'cc'>>(
  requester: string,
  mails: readonly Mail[],
  isWhole: boolean,
): Mail[] {
  const addressesOf = ({ from, replyTo, to, cc }: Mail) =>
    [...(from === null ? [] : [from]), ...replyTo, ...to, ...cc].map(({ emailAddress }) => emailAddress);
  const opening = isWhole ? mails.at(-1) : undefined;
  const known = new Set([
    requester,
    ...(opening?.kind === 'INBOUND' ? addressesOf(opening) : []),
    ...mails.map(addressesOf).flatMap((all) => (all.includes(requester) ? all : [])),
  ]);
  return mails.filter(({ kind, from, to, cc }) =>
    kind === 'INBOUND'
      ? from === null || known.has(from.emailAddress)
      : [...to, ...cc].some(({ emailAddress }) => known.has(emailAddress)),
  );
}

/** What a reply answers when the caller does not say. `mails`: the newest first. */
export function answeredByDefault<Mail extends Pick<ThreadMessage, 'kind' | 'automatic'>>(
  mails: readonly Mail[],
): Mail | null {
  return (
    mails.find(({ kind, automatic }) => kind === 'INBOUND' && automatic === null) ??
    mails.find(
      ({ kind, automatic }) => kind === 'INBOUND' && automatic !== null && !UNANSWERABLE.has(automatic),
    ) ??
    mails.find(({ kind }) => kind === 'OUTBOUND') ??
    mails[0] ??
    null
  );
}

/**
 * Addresses to which mail would come back to us, in lower case. An alias that was removed is no longer sent as, and still
 * leads to its mailbox; an address of somebody else that was removed is somebody else's again.
 */
async function ownAddressesOf(em: EntityManager, organizationId: string): Promise<Set<string>> {
  const rows = await em.execute<{ address: string }[]>(
    `select lower(email_address) as address from mailbox where organization_id = ? and removed_at is null
     union
     select identity.email_address from identity
       join mailbox on mailbox.organization_id = identity.organization_id and mailbox.id = identity.mailbox_id
     where identity.organization_id = ? and identity.status <> 'GONE'
       and (identity.removed_at is null or identity.kind <> 'SEND_AS')
       and mailbox.removed_at is null`,
    [organizationId, organizationId],
  );
  return new Set(rows.map(({ address }) => address));
}
