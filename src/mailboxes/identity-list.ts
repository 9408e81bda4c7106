import { Organization } from '../access/organization.entity.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { refusalOf, toSender } from './choose-identity.ts';
import { Identity } from './identity.entity.ts';
import { MAX_IDENTITIES } from './identity-plan.ts';
import { outgoingProblem } from './outgoing-settings.ts';

/** The identities of a mailbox, the primary address first, then by address; removed ones are left out. At most 500. */
export async function listIdentities(em: EntityManager, mailboxId: string): Promise<Identity[]> {
  const identities = await em.find(
    Identity,
    { mailbox: mailboxId, removedAt: null },
    { orderBy: { emailAddress: 'asc', id: 'asc' }, limit: MAX_IDENTITIES, refresh: true },
  );
  const isPrimary = ({ kind }: Identity) => kind === 'PRIMARY';
  return [...identities.filter(isPrimary), ...identities.filter((identity) => !isPrimary(identity))];
}

/**
 * Why nothing can be sent as the identity now, be it for a reason of its own or of its mailbox; null when it can. Of
 * somebody's own mailbox it is what that person would be told.
 */
export async function identityProblem(em: EntityManager, identity: Identity): Promise<Problem | null> {
  const sender = await toSender(identity);
  const organization = await em.findOneOrFail(Organization, { id: identity.organization.id });
  const reason = refusalOf(sender, organization, sender.mailbox.personalUserId ?? null);
  if (reason === null) return null;
  const isOwn = reason.code === 'IDENTITY_DENIED' || reason.code === 'IDENTITY_GONE';
  if (isOwn && identity.problem) return { ...identity.problem, code: reason.code };
  if (reason.code === 'SENDING_BLOCKED') return await outgoingProblem(sender.mailbox);
  return reason.toProblem(sender.mailbox.updatedAt);
}
