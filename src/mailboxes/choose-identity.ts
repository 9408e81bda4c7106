import { Organization } from '../access/organization.entity.ts';
import type { Account } from '../microsoft365/account.entity.ts';
import type { MailAddress } from '../microsoft365/mail.ts';
import type { EntityManager } from '../platform/database.ts';
import { Identity } from './identity.entity.ts';
import type { Mailbox } from './mailbox.entity.ts';
import { whyMailboxCannotSend, whyMailboxIsBlocked } from './outgoing-settings.ts';
import type { SenderProfile } from './sender-profile.entity.ts';
import { type CannotSendCode, CannotSendError } from './sending-errors.ts';
import { notAvailable, personalNotAllowed, whyIdentityCannotSend } from './why-identity-cannot-send.ts';

export { whyIdentityCannotSend };

/** What a mail is sent as. */
export interface ChosenIdentity {
  identity: Identity;
  mailbox: Mailbox;
  from: { name: string; emailAddress: string };
  /** Empty: answers go to `from`. */
  replyTo: MailAddress[];
  signature: { text: string | null; html: string | null };
}

/** For what an identity is looked for. */
export interface IdentityWish {
  organizationId: string;
  /** The mailbox of the conversation; null for one that began here. */
  mailboxId: string | null;
  /** The addresses that the customer wrote to. */
  addressedTo: readonly string[];
  /** What the caller chose; null: the order below. */
  wantedIdentityId: string | null;
  /** Who sends; null for Deskgraph itself. */
  userId: string | null;
  now: Date;
}

/** An identity with all that decides whether it can send. */
export interface Sender {
  identity: Identity;
  mailbox: Mailbox;
  account: Account | null;
  profile: SenderProfile | null;
}

/** The most identities of a mailbox that are looked at; see `MAX_IDENTITIES`. */
const MOST_SENDERS = 1_000;

/**
 * Chooses what a mail is sent as: the one that is wanted, if it is allowed; else the address that the customer wrote to;
 * else the default of the mailbox; else its primary address; else the default of the organization. Of these the first one
 * that can send. But while the mailbox of the conversation cannot send for a reason that somebody will mend, such as a
 * lost sign-in, nothing is sent from another mailbox: the customer would get answers from an address that he never wrote to.
 *
 * Throws {@link CannotSendError} with the reason of the first one that was looked at.
 */
export async function chooseIdentity(em: EntityManager, wish: IdentityWish): Promise<ChosenIdentity> {
  const organization = await em.findOneOrFail(Organization, { id: wish.organizationId }, { refresh: true });
  if (wish.wantedIdentityId !== null) {
    const wanted = await findSender(em, wish.wantedIdentityId);
    const refusal = wanted ? refusalOf(wanted, organization, wish.userId) : notAvailable();
    if (refusal || !wanted) throw refusal ?? notAvailable();
    return chosen(wanted);
  }
  const own = wish.mailboxId === null ? [] : await findSenders(em, wish.mailboxId);
  const fallback = organization.defaultIdentityId
    ? await findSender(em, organization.defaultIdentityId)
    : null;
  const picked = pickSender(inOrder(own, wish.addressedTo), fallback, (sender) =>
    refusalOf(sender, organization, wish.userId),
  );
  if (picked instanceof CannotSendError) throw picked;
  return chosen(picked);
}

/** The identities of a mailbox that may be chosen without being asked for, the best first. Pure. */
export function inOrder(senders: readonly Sender[], addressedTo: readonly string[]): Sender[] {
  const addresses = addressedTo.map((address) => address.toLowerCase());
  const present = senders.filter(({ identity }) => !identity.removedAt);
  const written = addresses.flatMap((address) =>
    present.filter(({ identity }) => identity.emailAddress === address),
  );
  const isDefault = ({ identity, mailbox }: Sender) => identity.id === mailbox.defaultIdentityId;
  const isPrimary = ({ identity }: Sender) => identity.kind === 'PRIMARY';
  return [...new Set([...written, ...present.filter(isDefault), ...present.filter(isPrimary)])];
}

/** Reasons of a mailbox that somebody decided on; any other one somebody will mend. */
const DECIDED: ReadonlySet<CannotSendCode> = new Set<CannotSendCode>([
  'OUTGOING_DISABLED',
  'MAILBOX_REMOVED',
  'PERSONAL_SENDER_NOT_ALLOWED',
  'IDENTITY_NOT_AVAILABLE',
]);
const OF_ONE_IDENTITY: ReadonlySet<CannotSendCode> = new Set<CannotSendCode>([
  'IDENTITY_DENIED',
  'IDENTITY_GONE',
  'IDENTITY_WITHOUT_PROFILE',
]);

/**
 * The first that can send, the organization's default last; or why none can. Pure.
 */
export function pickSender(
  own: readonly Sender[],
  fallback: Sender | null,
  refusal: (sender: Sender) => CannotSendError | null,
): Sender | CannotSendError {
  let first: CannotSendError | null = null;
  for (const sender of own) {
    const reason = refusal(sender);
    if (reason === null) return sender;
    first ??= reason;
    if (!OF_ONE_IDENTITY.has(reason.code) && !DECIDED.has(reason.code)) return reason;
  }
  const reason = fallback && refusal(fallback);
  if (fallback && reason === null) return fallback;
  return first ?? reason ?? noIdentity();
}

/** Why the user may not send as the identity now; null when they may. `userId` null: Deskgraph itself. Pure. */
export function refusalOf(
  { identity, mailbox, account, profile }: Sender,
  { allowsPersonalSenders }: Pick<Organization, 'allowsPersonalSenders'>,
  userId: string | null,
): CannotSendError | null {
  // Somebody else's own mailbox: not even that it exists.
  if (mailbox.personalUserId != null && mailbox.personalUserId !== userId) return notAvailable();
  if (mailbox.personalUserId != null && !allowsPersonalSenders) {
    return personalNotAllowed();
  }
  if (identity.removedAt) return notAvailable();
  return (
    whyMailboxCannotSend(mailbox, account) ??
    whyIdentityCannotSend(identity, profile) ??
    // Last, so that it hides no reason from the outbox, which tries nevertheless.
    whyMailboxIsBlocked(mailbox)
  );
}

function noIdentity(): CannotSendError {
  return new CannotSendError(
    'NO_IDENTITY',
    'There is nothing to send as: the conversation has no mailbox here, and the organization has no default identity.',
    'Choose an identity; or set one for the organization with updateOutgoingPolicy.',
  );
}

function chosen({ identity, mailbox, profile }: Sender): ChosenIdentity {
  const name = profile?.fromName ?? mailbox.outgoingFromName ?? mailbox.displayName;
  const replyTo = profile?.replyTo ?? null;
  return {
    identity,
    mailbox,
    from: { name, emailAddress: identity.emailAddress },
    replyTo: replyTo === null ? [] : [{ name: null, emailAddress: replyTo }],
    signature: { text: profile?.signatureText ?? null, html: profile?.signatureHtml ?? null },
  };
}

/** The identity with what decides about it, as it is now; null when the organization has none of this id. */
export async function findSender(em: EntityManager, identityId: string): Promise<Sender | null> {
  const identity = await em.findOne(
    Identity,
    { id: identityId },
    { populate: ['mailbox.account', 'senderProfile'], refresh: true },
  );
  return identity && toSender(identity);
}

/** The identities of a mailbox, removed ones included, the primary one first. At most 1,000. */
export async function findSenders(em: EntityManager, mailboxId: string): Promise<Sender[]> {
  const identities = await em.find(
    Identity,
    { mailbox: mailboxId },
    {
      populate: ['mailbox.account', 'senderProfile'],
      orderBy: { createdAt: 'asc', id: 'asc' },
      limit: MOST_SENDERS,
      refresh: true,
    },
  );
  return await Promise.all(identities.map(toSender));
}

/** The identity with what decides about it; reads what is not loaded yet. */
export async function toSender(identity: Identity): Promise<Sender> {
  const mailbox = await identity.mailbox.loadOrFail();
  return {
    identity,
    mailbox,
    account: (await mailbox.account?.loadOrFail()) ?? null,
    profile: (await identity.senderProfile?.loadOrFail()) ?? null,
  };
}
