import type { Account, AccountStatus } from '../microsoft365/account.entity.ts';
import type { Mailbox } from './mailbox.entity.ts';
import { CannotSendError } from './sending-errors.ts';

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
export function whyMailboxCannotSend(mailbox: Mailbox, account: Account | null): CannotSendError | null {
  const obstacle = whyMailboxMayNotBeEnabled(mailbox, account);
  if (obstacle || mailbox.outgoingEnabled) return obstacle;
  return new CannotSendError(
    'OUTGOING_DISABLED',
    `Sending is switched off for ${mailbox.emailAddress}.`,
    'Switch it on with updateOutgoingSettings.',
  );
}

/** Why sending cannot even be switched on for the mailbox; null when it can. Pure. */
export function whyMailboxMayNotBeEnabled(mailbox: Mailbox, account: Account | null): CannotSendError | null {
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
    return new CannotSendError(code, `The account ${nameOf(account)} ${what}.`, remedy);
  }
  return maySend(mailbox, account) ? null : grantMissing(mailbox, account);
}

function nameOf({ emailAddress, displayName }: Account): string {
  return emailAddress || displayName;
}

/** Role assignments of Exchange (RBAC for Applications) are in no token: there only sending tells. */
function maySend({ kind }: Mailbox, account: Account): boolean {
  if (account.kind === 'TENANT' && account.accessProvenAt != null) return true;
  return account.grantedScopes.some((name) => name.toLowerCase() === permissionOf(kind).toLowerCase());
}

function permissionOf(kind: Mailbox['kind']): string {
  return kind === 'SHARED' ? 'Mail.Send.Shared' : 'Mail.Send';
}

function grantMissing({ kind, emailAddress }: Mailbox, account: Account): CannotSendError {
  const missing = `The account ${nameOf(account)} has not been granted ${permissionOf(kind)}, without which nothing is sent from ${emailAddress}.`;
  const remedy =
    account.kind === 'TENANT'
      ? "Add the application permission Mail.Send to the app registration and accept on the page of startAdminConsent as an administrator; or assign the role 'Application Mail.Send' to single mailboxes with New-ManagementRoleAssignment in Exchange Online PowerShell."
      : kind === 'SHARED'
        ? 'Sign in again with startSignIn for sending from shared mailboxes (purpose SENDING_SHARED) and accept. Where only an administrator may grant it, use startAdminConsent.'
        : 'Sign in again with startSignIn for sending (purpose SENDING) and accept. Where only an administrator may grant it, use startAdminConsent.';
  return new CannotSendError('CONSENT_REQUIRED', missing, remedy);
}
