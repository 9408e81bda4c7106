import { z } from 'zod';
import { Organization } from '../access/organization.entity.ts';
import { grants } from '../access/permissions.ts';
import { User } from '../access/user.entity.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import type { Account, AccountStatus } from '../microsoft365/account.entity.ts';
import type { EntityManager } from '../platform/database.ts';
import { parseInput } from '../platform/parse-input.ts';
import type { Problem } from '../platform/problem.ts';
import { recordEvents } from '../realtime/record.ts';
import { ensureIdentities } from './identities.ts';
import { Identity } from './identity.entity.ts';
import type { Mailbox } from './mailbox.entity.ts';
import { lockAnyMailbox } from './mailboxes.ts';
import { headerName } from './sender-profiles.ts';
import { CannotSendError } from './sending-errors.ts';
import { personalNotAllowed, whyIdentityCannotSend } from './why-identity-cannot-send.ts';

/** What of a mailbox and its account decides whether it can send. */
type SendingMailbox = Pick<Mailbox, 'emailAddress' | 'kind' | 'removedAt' | 'outgoingEnabled'>;
type SendingAccount = Pick<
  Account,
  'status' | 'kind' | 'emailAddress' | 'displayName' | 'grantedScopes' | 'accessProvenAt'
> &
  Partial<Pick<Account, 'problem'>>;

/** Accounts that wait for a person, with what that one has to do. The others pass by themselves: mail waits for them. */
const STUCK: Partial<
  Record<
    AccountStatus,
    readonly [
      'ACCOUNT_DISCONNECTED' | 'SIGN_IN_REQUIRED' | 'CONSENT_REQUIRED' | 'CREDENTIAL_REFUSED',
      string,
      string,
    ]
  >
> = {
  DISCONNECTED: [
    'ACCOUNT_DISCONNECTED',
    'was disconnected',
    'Connect it again with reauthenticate, and switch sending on with updateOutgoingSettings.',
  ],
  NEEDS_SIGN_IN: ['SIGN_IN_REQUIRED', 'has to sign in again', 'Sign in again with reauthenticate.'],
  NEEDS_CONSENT: [
    'CONSENT_REQUIRED',
    'lacks permissions at Microsoft',
    'Sign in again with reauthenticate and accept every permission; in application mode, accept on the page of startAdminConsent.',
  ],
  CREDENTIAL_EXPIRED: [
    'CREDENTIAL_REFUSED',
    'cannot be used: Microsoft refuses the credential of its app registration',
    'Enter a new client secret or certificate with rotateCredential.',
  ],
};

/**
 * Why nothing can be sent from the mailbox now; null when it can. What passes by itself, such as throttling, is no
 * reason: mail waits in the outbox for it. Pure.
 */
export function whyMailboxCannotSend(
  mailbox: SendingMailbox,
  account: SendingAccount | null,
): CannotSendError | null {
  const obstacle = whyMailboxMayNotBeEnabled(mailbox, account);
  if (obstacle || mailbox.outgoingEnabled) return obstacle;
  return new CannotSendError(
    'OUTGOING_DISABLED',
    `Sending is switched off for ${mailbox.emailAddress}.`,
    'Switch it on with updateOutgoingSettings.',
  );
}

/**
 * Why Microsoft lets nothing out of the mailbox, as the last mail was told that tried; null as far as nothing is known.
 * Apart from {@link whyMailboxCannotSend}: mail that waits is tried nevertheless, since nothing else tells that an
 * administrator has released the account. Pure.
 */
export function whyMailboxIsBlocked({ emailAddress, sendingProblem }: Mailbox): CannotSendError | null {
  if (sendingProblem?.code !== 'SENDING_BLOCKED') return null;
  return new CannotSendError(
    'SENDING_BLOCKED',
    `Microsoft 365 has blocked ${emailAddress} from sending.`,
    sendingProblem.remedy,
  );
}

/** Why sending cannot even be switched on for the mailbox; null when it can. Pure. */
export function whyMailboxMayNotBeEnabled(
  mailbox: Omit<SendingMailbox, 'outgoingEnabled'>,
  account: SendingAccount | null,
): CannotSendError | null {
  const { emailAddress } = mailbox;
  if (mailbox.removedAt || !account) {
    return new CannotSendError(
      'MAILBOX_REMOVED',
      `${emailAddress} was removed from Deskgraph: nothing is sent from it.`,
      'Add it again with addSharedMailbox, or by signing in with its account; or send from another mailbox.',
    );
  }
  const stuck = STUCK[account.status];
  if (stuck) {
    const [code, what, remedy] = stuck;
    const { kind, problem } = account;
    // Nobody signs in to a tenant: what is wrong there, such as Conditional Access, and what helps its problem says.
    return kind === 'TENANT' && problem
      ? new CannotSendError(code, `${nameOf(account)}: ${problem.message}`, problem.remedy)
      : new CannotSendError(code, `The account ${nameOf(account)} ${what}.`, remedy);
  }
  return maySend(mailbox, account) ? null : grantMissing(mailbox, account);
}

function nameOf({ emailAddress, displayName }: SendingAccount): string {
  return emailAddress || displayName;
}

/**
 * Role assignments of Exchange (RBAC for Applications) are in no token: a mailbox that was reached without a permission of
 * Entra tells of them, and one beside a permission of Entra to read is not to be seen.
 */
function maySend({ kind }: Pick<Mailbox, 'kind'>, account: SendingAccount): boolean {
  if (account.kind === 'TENANT' && account.accessProvenAt != null) return true;
  return account.grantedScopes.some((name) => name.toLowerCase() === permissionOf(kind).toLowerCase());
}

function permissionOf(kind: Mailbox['kind']): string {
  return kind === 'SHARED' ? 'Mail.Send.Shared' : 'Mail.Send';
}

function grantMissing(
  { kind, emailAddress }: Pick<Mailbox, 'kind' | 'emailAddress'>,
  account: SendingAccount,
): CannotSendError {
  const missing = `The account ${nameOf(account)} has not been granted ${permissionOf(kind)}, without which nothing is sent from ${emailAddress}.`;
  const remedy =
    account.kind === 'TENANT'
      ? "Add the application permission Mail.Send to the app registration and accept on the page of startAdminConsent as an administrator. A role for sending alone, assigned in Exchange beside the permission Mail.ReadWrite of Entra, is not seen: for single mailboxes take Mail.ReadWrite back in Entra, assign both 'Application Mail.ReadWrite' and 'Application Mail.Send' with New-ManagementRoleAssignment in Exchange Online PowerShell, and run verifyMailboxAccess after an hour."
      : kind === 'SHARED'
        ? 'Sign in again with startSignIn for sending from shared mailboxes (purpose SENDING_SHARED) and accept. Where only an administrator may grant it, use startAdminConsent with the same purpose.'
        : 'Sign in again with startSignIn for sending (purpose SENDING) and accept. Where only an administrator may grant it, use startAdminConsent with the same purpose.';
  return new CannotSendError('CONSENT_REQUIRED', missing, remedy);
}

/** As {@link whyMailboxCannotSend}, to be shown with the mailbox. */
export async function outgoingProblem(mailbox: Mailbox): Promise<Problem | null> {
  const account = (await mailbox.account?.loadOrFail()) ?? null;
  const reason = whyMailboxCannotSend(mailbox, account) ?? whyMailboxIsBlocked(mailbox);
  const known = reason?.code === 'SENDING_BLOCKED' ? mailbox.sendingProblem : account?.problem;
  return reason?.toProblem(known ? new Date(known.since) : mailbox.updatedAt) ?? null;
}

const settings = z.object({
  enabled: z.boolean().nullish(),
  defaultIdentityId: z.uuid().nullish(),
  fromName: headerName.nullish(),
  personalUserId: z.uuid().nullish(),
});

/** What is left out stays as it is; null takes it away, but for `enabled`. */
export type OutgoingSettingsChange = z.input<typeof settings>;

/**
 * Changes the outgoing settings of a mailbox; what is so already changes nothing and nobody is told. Switching sending on is
 * refused while nothing could be sent: with the reason, and what to do about it. What is on stays on while its account has
 * trouble: mail waits in the outbox.
 *
 * Throws InvalidInputError, NotFoundError, {@link CannotSendError}.
 */
export async function updateOutgoingSettings(
  em: EntityManager,
  mailboxId: string,
  change: OutgoingSettingsChange,
  now: Date,
): Promise<Mailbox> {
  const given = parseInput(settings, change);
  return await em.transactional(async (tx) => {
    const mailbox = await lockAnyMailbox(tx, mailboxId);
    const account = (await mailbox.account?.load({ refresh: true })) ?? null;
    if (mailbox.removedAt)
      throw whyMailboxMayNotBeEnabled(mailbox, account) ?? new NotFoundError('The mailbox');
    const enabled = given.enabled ?? mailbox.outgoingEnabled;
    if (enabled && !mailbox.outgoingEnabled) await assertCanSend(tx, mailbox, account, now);
    if (given.defaultIdentityId) await assertUsable(tx, mailboxId, given.defaultIdentityId);
    if (given.personalUserId && given.personalUserId !== mailbox.personalUserId) {
      await assertMayBePersonal(tx, mailbox, given.personalUserId);
    }
    const after = [
      enabled,
      choose(given.fromName, mailbox.outgoingFromName),
      choose(given.defaultIdentityId, mailbox.defaultIdentityId),
      choose(given.personalUserId, mailbox.personalUserId),
    ];
    const organizationId = mailbox.organization.id;
    // By SQL: the entity's version tells a sync that the incoming settings have changed, and they have not.
    const changed = await tx.execute<unknown[]>(
      `update mailbox set (outgoing_enabled, outgoing_from_name, default_identity_id, personal_user_id) = row(?, ?, ?::uuid, ?::uuid),
         updated_at = ?
        where organization_id = ? and id = ?
          and (outgoing_enabled, outgoing_from_name, default_identity_id, personal_user_id)
              is distinct from (?, ?, ?::uuid, ?::uuid) returning id`,
      [...after, now, organizationId, mailboxId, ...after],
    );
    if (changed.length > 0) {
      await recordEvents(tx, organizationId, [{ type: 'mailbox.changed', mailboxId }]);
      await tx.refresh(mailbox);
    }
    return mailbox;
  });
}

function choose(given: string | null | undefined, before: string | null | undefined): string | null {
  return given === undefined ? (before ?? null) : given;
}

/** Throws {@link CannotSendError} while nothing at all could be sent from the mailbox. */
async function assertCanSend(
  em: EntityManager,
  mailbox: Mailbox,
  account: Account | null,
  now: Date,
): Promise<void> {
  const obstacle = whyMailboxMayNotBeEnabled(mailbox, account);
  if (obstacle) throw obstacle;
  // A mailbox that was connected before there were identities has none.
  if ((await em.count(Identity, { mailbox: mailbox.id })) === 0) await ensureIdentities(em, mailbox, now);
  const identities = await em.find(
    Identity,
    { mailbox: mailbox.id, removedAt: null },
    { populate: ['senderProfile'], orderBy: { createdAt: 'asc', id: 'asc' }, limit: 1_000, refresh: true },
  );
  const reasons = await Promise.all(
    identities.map(async (identity) =>
      whyIdentityCannotSend(identity, (await identity.senderProfile?.loadOrFail()) ?? null),
    ),
  );
  const [first] = reasons;
  if (first && reasons.every((reason) => reason !== null)) throw first;
}

/** Throws {@link CannotSendError} for an identity that is not one of the mailbox, or cannot be sent as. */
async function assertUsable(em: EntityManager, mailboxId: string, identityId: string): Promise<void> {
  const identity = await em.findOne(
    Identity,
    { id: identityId, mailbox: mailboxId },
    { populate: ['senderProfile'], refresh: true },
  );
  if (!identity) throw new NotFoundError('The identity');
  const reason = whyIdentityCannotSend(identity, (await identity.senderProfile?.loadOrFail()) ?? null);
  if (reason) throw reason;
}

async function assertMayBePersonal(em: EntityManager, mailbox: Mailbox, userId: string): Promise<void> {
  const user = await em.findOne(User, { id: userId }, { refresh: true });
  if (!user) throw new NotFoundError('The user');
  if (user.disabledAt || !grants(user.role, 'ticket:reply')) {
    throw new InvalidInputError(
      'personalUserId',
      `${user.name} may not answer customers, and so cannot have a mailbox to send from.`,
      'Name a user with the role AGENT, ADMIN or OWNER who is not disabled.',
    );
  }
  const organization = await em.findOneOrFail(
    Organization,
    { id: mailbox.organization.id },
    { refresh: true },
  );
  if (!organization.allowsPersonalSenders) throw personalNotAllowed();
  const { defaultIdentityId } = organization;
  if (!defaultIdentityId) return;
  const isDefault = (await em.count(Identity, { id: defaultIdentityId, mailbox: mailbox.id })) > 0;
  if (!isDefault) return;
  throw new InvalidInputError(
    'personalUserId',
    `The organization sends as an identity of ${mailbox.emailAddress} by default, so it cannot be one person's own.`,
    'Choose another default with updateOutgoingPolicy first.',
  );
}
