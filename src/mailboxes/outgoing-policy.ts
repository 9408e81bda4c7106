import type { Organization } from '../access/organization.entity.ts';
import { lockOrganization } from '../access/organizations.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { findSender } from './choose-identity.ts';
import { whyIdentityCannotSend } from './why-identity-cannot-send.ts';

/** What is left out stays as it is; null takes the default identity away. */
export interface OutgoingPolicyChange {
  defaultIdentityId?: string | null | undefined;
  allowsPersonalSenders?: boolean | null | undefined;
}

/**
 * Changes how an organization sends. Taking the permission for personal senders away stops them at once, and keeps their
 * settings. What is so already changes nothing and nobody is told. Throws `NotFoundError`, InvalidInputError for an
 * identity of somebody's own mailbox, CannotSendError for one that cannot be sent as.
 */
export async function updateOutgoingPolicy(
  em: EntityManager,
  organizationId: string,
  { defaultIdentityId, allowsPersonalSenders }: OutgoingPolicyChange,
): Promise<Organization> {
  return await em.transactional(async (tx) => {
    if (defaultIdentityId) await assertMayBeDefault(tx, defaultIdentityId);
    const organization = await lockOrganization(tx, organizationId);
    const identityId =
      defaultIdentityId === undefined ? (organization.defaultIdentityId ?? null) : defaultIdentityId;
    const allows = allowsPersonalSenders ?? organization.allowsPersonalSenders;
    const isSame =
      identityId === (organization.defaultIdentityId ?? null) &&
      allows === organization.allowsPersonalSenders;
    if (isSame) return organization;
    organization.defaultIdentityId = identityId;
    organization.allowsPersonalSenders = allows;
    await tx.flush();
    await recordEvents(tx, organizationId, [{ type: 'organization.changed' }]);
    return organization;
  });
}

async function assertMayBeDefault(em: EntityManager, identityId: string): Promise<void> {
  const sender = await findSender(em, identityId);
  if (!sender) throw new NotFoundError('The identity');
  const { identity, mailbox, profile } = sender;
  const reason = whyIdentityCannotSend(identity, profile);
  if (reason) throw reason;
  if (mailbox.personalUserId == null) return;
  throw new InvalidInputError(
    'defaultIdentityId',
    `${mailbox.emailAddress} is one person's own mailbox: nobody else sends from it.`,
    'Choose an identity of a mailbox of the team.',
  );
}
