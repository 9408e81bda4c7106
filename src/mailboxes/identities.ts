import { enqueue } from '../jobs/define-job.ts';
import type { MailboxAccess } from '../microsoft365/mail.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { recordEvents } from '../realtime/record.ts';
import { defaultProfileId } from './default-profile.ts';
import { discoverIdentitiesJob } from './identities.jobs.ts';
import { Identity, type IdentityStatus } from './identity.entity.ts';
import { type KnownAddresses, type PlannedIdentity, planIdentities } from './identity-plan.ts';
import type { Mailbox } from './mailbox.entity.ts';
import { lockAnyMailbox } from './mailboxes.ts';
import { SenderProfile } from './sender-profile.entity.ts';

/**
 * Makes the identity of the primary address, which is known without asking anybody, and asks for the discovery of the
 * others. Call it in the transaction that connects a mailbox. Idempotent.
 */
export async function ensureIdentities(em: EntityManager, mailbox: Mailbox, now: Date): Promise<void> {
  await em.flush();
  await recordAddresses(em, mailbox.id, { primary: mailbox.emailAddress, aliases: null }, now);
  await enqueue(em, discoverIdentitiesJob, {
    organizationId: mailbox.organization.id,
    mailboxId: mailbox.id,
  });
}

/**
 * Makes the identities of a mailbox what its addresses say, with a sender profile for the new ones, and tells of it.
 * Changes nothing that is so already. Call it inside a transaction. Throws `NotFoundError`.
 */
export async function recordAddresses(
  em: EntityManager,
  mailboxId: string,
  addresses: KnownAddresses,
  now: Date,
): Promise<void> {
  const mailbox = await lockAnyMailbox(em, mailboxId);
  const known = await em.find(
    Identity,
    { mailbox: mailboxId },
    { orderBy: { createdAt: 'asc', id: 'asc' }, refresh: true, limit: 10_000 },
  );
  const planned = planIdentities(known, addresses, now);
  if (planned.length === 0) return;
  const byAddress = new Map(known.map((identity) => [identity.emailAddress, identity]));
  const isNew = ({ emailAddress }: PlannedIdentity) => !byAddress.has(emailAddress);
  const profileId = planned.some(isNew) ? await defaultProfileId(em, mailbox, known, now) : null;
  for (const { emailAddress, ...fields } of planned) {
    const before = byAddress.get(emailAddress);
    if (before) em.assign(before, { ...fields, checkedAt: now });
    else {
      em.create(Identity, {
        organization: mailbox.organization,
        mailbox,
        emailAddress,
        ...fields,
        senderProfile: profileId === null ? null : em.getReference(SenderProfile, profileId),
        checkedAt: now,
      });
    }
  }
  await em.flush();
  await recordEvents(em, mailbox.organization.id, [{ type: 'mailbox.changed', mailboxId }]);
}

/**
 * Notes what sending as an identity has shown: `ACTIVE` once a mail went out, `DENIED` with the reason when Microsoft
 * refused. Tells of it once; what is so already writes nothing, so that it costs little after every mail. Throws nothing
 * for an identity that does not exist.
 */
export async function markIdentity(
  em: EntityManager,
  identityId: string,
  status: IdentityStatus,
  problem: Problem | null,
  now: Date,
): Promise<void> {
  const known = await em.findOne(Identity, { id: identityId }, { refresh: true });
  if (!known || (known.status === status && (known.problem?.code ?? null) === (problem?.code ?? null)))
    return;
  const organizationId = known.organization.id;
  await em.transactional(async (tx) => {
    const changed = await tx.execute<{ mailbox_id: string }[]>(
      `update identity set status = ?, problem = ?::jsonb, checked_at = ?, updated_at = ?
        where organization_id = ? and id = ?
          and (status, problem ->> 'code') is distinct from (?, ?::text) returning mailbox_id`,
      [
        status,
        problem && JSON.stringify(problem),
        now,
        now,
        organizationId,
        identityId,
        status,
        problem?.code ?? null,
      ],
    );
    const events = changed.map((row) => ({ type: 'mailbox.changed' as const, mailboxId: row.mailbox_id }));
    await recordEvents(tx, organizationId, events);
  });
  await em.refresh(known);
}

/**
 * A mail went out as the address of the mailbox itself, which is the only way to know that it may: what Microsoft denied
 * before is over. Changes nothing for an address that is not denied, or that nobody has connected.
 */
export async function confirmSending(
  em: EntityManager,
  { accountId, emailAddress }: Pick<MailboxAccess, 'accountId' | 'emailAddress'>,
  now: Date,
): Promise<void> {
  const denied = await em.findOne(Identity, {
    emailAddress,
    kind: 'PRIMARY',
    status: 'DENIED',
    mailbox: { account: accountId, emailAddress, removedAt: null },
  });
  if (denied) await markIdentity(em, denied.id, 'ACTIVE', null, now);
}
