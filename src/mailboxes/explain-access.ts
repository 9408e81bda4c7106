import { missingRoles } from '../microsoft365/application-permissions.ts';
import type { GraphError } from '../microsoft365/graph-error.ts';
import { MailboxAccessError } from './mailbox-access-errors.ts';

/** The delegated permission without which no shared mailbox can be opened. */
export const SHARED_PERMISSION = 'Mail.ReadWrite.Shared';

/** Who was refused, and where. */
export interface AccessAttempt {
  /** The address that was tried. */
  emailAddress: string;
  /** Whether it is the account's own mailbox. */
  isOwn: boolean;
  account: { kind: 'USER' | 'TENANT'; emailAddress: string; grantedScopes: readonly string[] };
  /** The app registration's client id. */
  clientId: string;
  /** How many people mail to the address reaches, where that is known. */
  members: number | null;
}

/** Whether an account has been granted what opens shared mailboxes; application permissions have no such difference. */
export function mayOpenShared({ kind, grantedScopes }: AccessAttempt['account']): boolean {
  if (kind === 'TENANT') return true;
  return grantedScopes.some((name) => name.toLowerCase() === SHARED_PERMISSION.toLowerCase());
}

/** What is answered before Microsoft is asked at all: a sign-in did not grant what shared mailboxes need. */
export function sharedConsentError(emailAddress: string): MailboxAccessError {
  return new MailboxAccessError(
    'CONSENT_REQUIRED',
    `The account has not been granted ${SHARED_PERMISSION}, which every shared mailbox needs.`,
    `Sign in again with startSignIn for shared mailboxes (purpose SHARED_MAILBOXES) and accept, then add ${emailAddress}. Where only an administrator may grant it, use startAdminConsent with the same purpose.`,
  );
}

/** What is answered for any mailbox but its own to a personal account: it cannot be helped by signing in again. */
export function personalAccountError(emailAddress: string): MailboxAccessError {
  return new MailboxAccessError(
    'MAILBOX_ACCESS_DENIED',
    'A personal Microsoft account can open its own mailbox alone: Microsoft has no permission for shared mailboxes there.',
    `Sign in with the account that ${emailAddress} belongs to; or use a work or school account that may open it.`,
  );
}

/**
 * Says why Microsoft refused a mailbox and what exactly to do about it, for this account and this mailbox. What it does
 * not know, such as throttling or a lost sign-in, is given back as it is. Pure.
 */
export function explainRefusal(error: GraphError, attempt: AccessAttempt): MailboxAccessError | GraphError {
  const { emailAddress, account, members } = attempt;
  const answer = (code: MailboxAccessError['code'], message: string, remedy: string) =>
    new MailboxAccessError(code, message, remedy, {
      ...(error.microsoftCode === null ? {} : { microsoftCode: error.microsoftCode }),
      ...(error.requestId === null ? {} : { requestId: error.requestId }),
    });
  switch (error.code) {
    case 'MAILBOX_NOT_FOUND':
      return members !== null && members > 1
        ? answer(
            'MAILBOX_IS_GROUP',
            `${emailAddress} is a group or distribution list of ${members}: it passes mail on and has no mailbox to read.`,
            'Make a shared mailbox in the Exchange admin center (Recipients > Mailboxes > Add a shared mailbox) and let the group send to it, or add the mailbox of a member.',
          )
        : answer(
            'MAILBOX_NOT_FOUND',
            `Microsoft 365 knows no mailbox ${emailAddress} in the tenant of the account.`,
            'Check the address in the Exchange admin center (Recipients > Mailboxes). Groups, distribution lists and contacts are no mailboxes; a new mailbox takes up to 15 minutes to be known; one of another tenant needs an integration there.',
          );
    case 'MAILBOX_NOT_ENABLED':
      return answer(
        'MAILBOX_NOT_ENABLED',
        `${emailAddress} exists and has no mailbox in Exchange Online: it has no licence, is inactive, or lies on a server on premises.`,
        'Give its user a licence with Exchange Online in the Microsoft 365 admin center, make it a shared mailbox, or move it from the on-premises server; then wait up to 15 minutes.',
      );
    case 'MAILBOX_ACCESS_DENIED':
      return account.kind === 'TENANT' ? tenantRefusal(attempt, answer) : userRefusal(attempt, answer);
    case 'SEND_AS_DENIED':
      return answer(
        'SEND_AS_DENIED',
        `${account.emailAddress} may read ${emailAddress} and not send as it.`,
        `In the Exchange admin center: Recipients > Mailboxes > ${emailAddress} > Delegation > Send as > add ${account.emailAddress}. Or in Exchange Online PowerShell: Add-RecipientPermission -Identity ${quoted(emailAddress)} -Trustee ${quoted(account.emailAddress)} -AccessRights SendAs. It takes up to an hour to work.`,
      );
    default:
      return error;
  }
}

type Answer = (code: MailboxAccessError['code'], message: string, remedy: string) => MailboxAccessError;

function userRefusal({ emailAddress, isOwn, account }: AccessAttempt, answer: Answer): MailboxAccessError {
  if (isOwn) {
    return answer(
      'CONSENT_REQUIRED',
      `${account.emailAddress} has not been granted what its own mailbox needs, or a policy of Exchange blocks the app.`,
      'Sign in again with startSignIn and accept every permission. If that changes nothing, look at the Conditional Access policies of Entra and the EWS and Graph access settings of the mailbox.',
    );
  }
  return answer(
    'MAILBOX_ACCESS_DENIED',
    `${account.emailAddress} does not have Full Access to ${emailAddress}.`,
    `In the Exchange admin center: Recipients > Mailboxes > ${emailAddress} > Delegation > Read and manage (Full Access) > add ${account.emailAddress}. Or in Exchange Online PowerShell: Add-MailboxPermission -Identity ${quoted(emailAddress)} -User ${quoted(account.emailAddress)} -AccessRights FullAccess -InheritanceType All. It takes up to an hour to work.`,
  );
}

function tenantRefusal(
  { emailAddress, account, clientId }: AccessAttempt,
  answer: Answer,
): MailboxAccessError {
  const missing = missingRoles(account.grantedScopes);
  if (missing.length > 0) {
    return answer(
      'CONSENT_REQUIRED',
      `Nobody has granted the app ${missing.join(', ')} for ${emailAddress}: no administrator in Entra, and no role assignment in Exchange.`,
      `Open the page of startAdminConsent as an administrator and accept; or, for single mailboxes, assign the role in Exchange Online PowerShell: New-ManagementRoleAssignment -App ${quoted(clientId)} -Role 'Application Mail.ReadWrite' -CustomResourceScope <a scope with ${emailAddress}>.`,
    );
  }
  return answer(
    'MAILBOX_ACCESS_DENIED',
    `The app may read mail in the tenant, and a policy of Exchange keeps it out of ${emailAddress}.`,
    `See which with Test-ApplicationAccessPolicy -Identity ${quoted(emailAddress)} -AppId ${quoted(clientId)} in Exchange Online PowerShell, and add the mailbox to the group that the policy names: Add-DistributionGroupMember -Identity <group of the policy> -Member ${quoted(emailAddress)}. It takes up to two hours to work.`,
  );
}

/** A string of PowerShell that stays one, whatever the address holds. */
export function quoted(text: string): string {
  return `'${text.replaceAll(/['‘’‚‛]/g, '$&$&')}'`;
}
