import { Organization } from '../access/organization.entity.ts';
import type { EntityManager } from '../platform/database.ts';
import {
  findSender,
  findSenders,
  inOrder,
  pickSender,
  refusalOf,
  type Sender,
  toSender,
} from './choose-identity.ts';
import { Identity } from './identity.entity.ts';
import { CannotSendError } from './sending-errors.ts';

/** The most identities that are offered to somebody who answers. */
const MOST_OFFERED = 200;

/** An identity that somebody may choose for an answer, or would like to. */
export interface OfferedIdentity {
  identity: Identity;
  /** Why it cannot be chosen now; null when it can. */
  reason: CannotSendError | null;
  /** Whether it is taken where nobody chooses. */
  isChosen: boolean;
}

/** For whom, and for which conversation. */
export interface OfferWish {
  organizationId: string;
  mailboxId: string | null;
  addressedTo: readonly string[];
  userId: string;
}

/**
 * The identities that a user may answer a conversation as: those of its mailbox first, then those of the other mailboxes
 * that send and, where the organization allows it, of the user's own. Somebody else's own are not among them. At most 200.
 */
export async function offerIdentities(em: EntityManager, wish: OfferWish): Promise<OfferedIdentity[]> {
  const organization = await em.findOneOrFail(Organization, { id: wish.organizationId }, { refresh: true });
  const own = wish.mailboxId === null ? [] : await findSenders(em, wish.mailboxId);
  const others = await em.find(
    Identity,
    {
      removedAt: null,
      mailbox: {
        outgoingEnabled: true,
        removedAt: null,
        $or: [{ personalUserId: null }, { personalUserId: wish.userId }],
        ...(wish.mailboxId === null ? {} : { id: { $ne: wish.mailboxId } }),
      },
    },
    {
      populate: ['mailbox.account', 'senderProfile'],
      orderBy: { emailAddress: 'asc', id: 'asc' },
      limit: MOST_OFFERED,
      refresh: true,
    },
  );
  const fallback = organization.defaultIdentityId
    ? await findSender(em, organization.defaultIdentityId)
    : null;
  const refusal = (sender: Sender) => refusalOf(sender, organization, wish.userId);
  const picked = pickSender(inOrder(own, wish.addressedTo), fallback, refusal);
  const chosenId = picked instanceof CannotSendError ? null : picked.identity.id;
  return [...own, ...(await Promise.all(others.map(toSender)))]
    .map((sender) => ({
      identity: sender.identity,
      reason: refusal(sender),
      isChosen: sender.identity.id === chosenId,
    }))
    .filter(({ reason }) => reason?.code !== 'IDENTITY_NOT_AVAILABLE')
    .slice(0, MOST_OFFERED);
}
