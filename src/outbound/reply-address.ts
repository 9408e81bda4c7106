import type { InboundChannel } from '../access/organization.entity.ts';
import type { ChosenIdentity } from '../mailboxes/choose-identity.ts';
import type { MailAddress } from '../microsoft365/mail.ts';
import type { EntityManager } from '../platform/database.ts';
import { ownershipOf } from './recipients.ts';
import type { ThreadMail } from './reply-thread.ts';

/** What comes of the answers to a mail. */
export interface ReplyAddress {
  /** Where they go; empty: to its sender. */
  replyTo: MailAddress[];
  /** Whether they are taken in here, as far as that can be known. */
  areAnswersTakenIn: boolean;
  /** The same of the report that it could not be delivered, which goes to its sender whatever `replyTo` says. */
  areBouncesTakenIn: boolean;
}

/** What is known of where mail comes in. Addresses are in lower case. */
export interface IntakeFacts {
  inboundChannel: InboundChannel;
  /** Mailboxes that take mail in, with every address of theirs. */
  intake: readonly { mailboxId: string; primaryAddress: string; addresses: readonly string[] }[];
}

/** The conversation as far as it tells where answers belong. */
export interface AnsweredConversation {
  /** The mailboxes that it belongs to, the best first. */
  mailboxIds: readonly (string | null)[];
  /** The addresses that it was written to, the nearest first. */
  writtenTo: readonly string[];
  mails: readonly Pick<ThreadMail, 'kind' | 'to' | 'cc'>[];
}

/**
 * Where answers to a mail go. By itself to its sender, or where the sender profile wants them. But what is sent from an
 * address whose mailbox takes no mail in, such as an agent's own, would end the conversation without anybody noticing: there
 * answers go to the mailbox of the conversation, if that takes mail in, at the address of it that was written to. Not for an
 * address that was added, such as a list's: who put it there may want answers there, and it may well lead to us. Pure.
 */
export function replyAddressFor(
  { from, replyTo, identity }: Pick<ChosenIdentity, 'from' | 'replyTo' | 'identity'>,
  { mailboxIds, writtenTo, mails }: AnsweredConversation,
  { inboundChannel, intake }: IntakeFacts,
): ReplyAddress {
  // The platform takes mail in by its own means: we know nothing of them.
  if (inboundChannel === 'PLATFORM') return { replyTo, areAnswersTakenIn: true, areBouncesTakenIn: true };
  const isOurs = ownershipOf(new Set(intake.flatMap(({ addresses }) => addresses)));
  const proven = mails.map((mail) => cameInBy(mail, isOurs));
  const isTakenIn = (address: string) => isOurs(address) || proven.some((one) => one.includes(address));
  const areBouncesTakenIn = isTakenIn(from.emailAddress);
  if (replyTo.length > 0) {
    const areAnswersTakenIn = replyTo.some(({ emailAddress }) => isTakenIn(emailAddress.toLowerCase()));
    return { replyTo, areAnswersTakenIn, areBouncesTakenIn };
  }
  const conversation = mailboxIds
    .map((id) => intake.find(({ mailboxId }) => mailboxId === id))
    .find((one) => one !== undefined);
  if (areBouncesTakenIn || identity.kind === 'SEND_AS' || conversation === undefined) {
    return { replyTo, areAnswersTakenIn: areBouncesTakenIn, areBouncesTakenIn };
  }
  const { addresses, primaryAddress } = conversation;
  const emailAddress = writtenTo.find((address) => addresses.includes(address)) ?? primaryAddress;
  return { replyTo: [{ name: null, emailAddress }], areAnswersTakenIn: true, areBouncesTakenIn };
}

/** The addresses one of which has led a mail to us: it was written to none of ours, and is here. */
function cameInBy(
  { kind, to, cc }: Pick<ThreadMail, 'kind' | 'to' | 'cc'>,
  isOurs: (address: string) => boolean,
) {
  const addresses = [...to, ...cc].map(({ emailAddress }) => emailAddress);
  return kind === 'INBOUND' && !addresses.some(isOurs) ? addresses : [];
}

/** See {@link replyAddressFor}. */
export async function replyAddressOf(
  em: EntityManager,
  organizationId: string,
  chosen: ChosenIdentity,
  conversation: AnsweredConversation,
): Promise<ReplyAddress> {
  return replyAddressFor(chosen, conversation, await loadIntake(em, organizationId));
}

/** One statement. An alias that was removed is no longer sent as, and still leads to its mailbox. */
async function loadIntake(em: EntityManager, organizationId: string): Promise<IntakeFacts> {
  const [row] = await em.execute<IntakeFacts[]>(
    `select organization.inbound_channel as "inboundChannel",
       coalesce((select jsonb_agg(jsonb_build_object('mailboxId', mailbox.id,
           'primaryAddress', lower(mailbox.email_address),
           'addresses', jsonb_build_array(lower(mailbox.email_address)) || coalesce((
             select jsonb_agg(identity.email_address) from identity
              where identity.organization_id = mailbox.organization_id and identity.mailbox_id = mailbox.id
                and identity.kind <> 'SEND_AS' and identity.status <> 'GONE'), '[]')))
         from mailbox where mailbox.organization_id = organization.id and mailbox.incoming_enabled
           and mailbox.removed_at is null), '[]') as intake
     from organization where organization.id = ?`,
    [organizationId],
  );
  if (row === undefined) throw new Error('the organization of this mail does not exist');
  return row;
}
