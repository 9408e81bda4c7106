import { randomUUID } from 'node:crypto';
import { lockOrganization } from '../access/organizations.ts';
import { NotFoundError } from '../errors.ts';
import type { Account } from '../microsoft365/account.entity.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import type { MailSending } from '../microsoft365/mail-sending.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { recordEvents } from '../realtime/record.ts';
import { defaultProfileId } from './default-profile.ts';
import { deniedProblem } from './denied-problem.ts';
import { Identity } from './identity.entity.ts';
import { MAX_IDENTITIES } from './identity-plan.ts';
import type { Mailbox } from './mailbox.entity.ts';
import { accessOf, accountOf, getMailbox, lockAnyMailbox, lockMailbox } from './mailboxes.ts';
import { SenderProfile } from './sender-profile.entity.ts';
import { PrimaryIdentityError, TooManyIdentitiesError } from './sending-errors.ts';

/** What trying an address needs from outside. */
export interface SendAsDeps {
  sending: Pick<MailSending, 'createDraft' | 'deleteDraft'>;
  signal: AbortSignal;
  now: Date;
}

/**
 * Makes another address an identity of the mailbox, such as that of a distribution list. Microsoft is asked for a draft
 * with that sender first: where it refuses, the identity is `DENIED` with the right that is missing; where it does not, it
 * is `UNVERIFIED`, since Exchange looks at the right only when a mail is sent. Adding an address again checks it anew, and
 * an address that was removed is back; one that has been sent as stays `ACTIVE`.
 *
 * Call it outside of any transaction. Throws `NotFoundError`, {@link TooManyIdentitiesError}, and `GraphError` when the
 * mailbox cannot be asked; nothing is saved then.
 */
export async function addSendAsAddress(
  em: EntityManager,
  deps: SendAsDeps,
  { mailboxId, emailAddress }: { mailboxId: string; emailAddress: string },
): Promise<Identity> {
  const mailbox = await getMailbox(em, mailboxId);
  const account = await accountOf(mailbox);
  const problem = await tryDraft(deps, mailbox, account, emailAddress);
  return await em.fork().transactional((tx) => save(tx, mailboxId, emailAddress, problem, deps.now));
}

/** Null where Microsoft makes the draft. */
async function tryDraft(
  { sending, signal, now }: SendAsDeps,
  mailbox: Mailbox,
  account: Account,
  emailAddress: string,
): Promise<Problem | null> {
  const access = accessOf(mailbox);
  try {
    const draft = await sending.createDraft(
      access,
      {
        outboundMessageId: randomUUID(),
        organizationId: access.organizationId,
        from: { name: null, emailAddress },
        replyTo: [],
        to: [],
        cc: [],
        bcc: [],
        subject: `Deskgraph looks whether ${mailbox.emailAddress} may send as ${emailAddress}`,
        body: { contentType: 'text', content: 'This draft is deleted at once. It may be deleted by hand.' },
        answersGraphMessageId: null,
        inReplyTo: null,
        references: [],
        isAutomatic: true,
      },
      signal,
    );
    await sending.deleteDraft(access, draft.graphMessageId, signal).catch(onlyGraph);
    return null;
  } catch (error) {
    if (!(error instanceof GraphError) || error.code !== 'SEND_AS_DENIED') throw error;
    return deniedProblem(error.toProblem(now), { mailbox, account }, emailAddress);
  }
}

/** A draft that could not be deleted says what it is; what was asked is known. */
function onlyGraph(error: unknown): void {
  if (!(error instanceof GraphError)) throw error;
}

async function save(
  em: EntityManager,
  mailboxId: string,
  emailAddress: string,
  problem: Problem | null,
  now: Date,
): Promise<Identity> {
  const mailbox = await lockMailbox(em, mailboxId);
  const all = await em.find(
    Identity,
    { mailbox: mailboxId },
    { orderBy: { createdAt: 'asc', id: 'asc' }, refresh: true, limit: 2 * MAX_IDENTITIES },
  );
  const known = all.find((identity) => identity.emailAddress === emailAddress);
  if (!known && all.length >= MAX_IDENTITIES) throw new TooManyIdentitiesError(MAX_IDENTITIES);
  const isProven = known?.status === 'ACTIVE' && !known.removedAt;
  const status = problem ? 'DENIED' : isProven || known?.kind === 'PRIMARY' ? 'ACTIVE' : 'UNVERIFIED';
  const profileId = known?.senderProfile?.id ?? (await defaultProfileId(em, mailbox, all, now));
  const fields = {
    kind: !known || known.status === 'GONE' ? ('SEND_AS' as const) : known.kind,
    status,
    problem,
    removedAt: null,
    checkedAt: now,
    senderProfile: em.getReference(SenderProfile, profileId),
  } as const;
  const isChanged = !known || known.status !== status || known.removedAt || !known.senderProfile;
  const identity = known
    ? em.assign(known, fields)
    : em.create(Identity, { organization: mailbox.organization, mailbox, emailAddress, ...fields });
  await em.flush();
  if (isChanged) await recordEvents(em, mailbox.organization.id, [{ type: 'mailbox.changed', mailboxId }]);
  return identity;
}

/** An identity that was removed, and what it was the default of until then. */
export interface RemovedIdentity {
  identity: Identity;
  mailbox: Mailbox;
  wasMailboxDefault: boolean;
  wasOrganizationDefault: boolean;
}

/**
 * Takes an identity out of use; its row stays, since sent mail names it. Where it was a default, the primary address of
 * the mailbox takes its place; the organization is without a default then. Idempotent. Throws `NotFoundError` and
 * {@link PrimaryIdentityError}.
 */
export async function removeIdentity(
  em: EntityManager,
  identityId: string,
  now: Date,
): Promise<RemovedIdentity> {
  return await em.transactional(async (tx) => {
    const found = await tx.findOne(Identity, { id: identityId });
    if (!found) throw new NotFoundError('The identity');
    const mailbox = await lockAnyMailbox(tx, found.mailbox.id);
    const identity = await tx.findOneOrFail(Identity, { id: identityId }, { refresh: true });
    if (identity.kind === 'PRIMARY') throw new PrimaryIdentityError(identity.emailAddress);
    const untouched = { identity, mailbox, wasMailboxDefault: false, wasOrganizationDefault: false };
    if (identity.removedAt) return untouched;
    identity.removedAt = now;
    await tx.flush();
    const organizationId = mailbox.organization.id;
    // By SQL: the entity's version tells a sync that the incoming settings have changed, and they have not.
    const ofMailbox = await tx.execute<unknown[]>(
      `update mailbox set default_identity_id = null, updated_at = ?
        where organization_id = ? and default_identity_id = ? returning id`,
      [now, organizationId, identityId],
    );
    const organization = await lockOrganization(tx, organizationId);
    const wasOrganizationDefault = organization.defaultIdentityId === identityId;
    if (wasOrganizationDefault) organization.defaultIdentityId = null;
    await tx.flush();
    await recordEvents(tx, organizationId, [
      { type: 'mailbox.changed', mailboxId: mailbox.id },
      ...(wasOrganizationDefault ? [{ type: 'organization.changed' as const }] : []),
    ]);
    await tx.refresh(mailbox);
    return { identity, mailbox, wasMailboxDefault: ofMailbox.length > 0, wasOrganizationDefault };
  });
}
