import type { Account } from '../microsoft365/account.entity.ts';
import type { Problem } from '../platform/problem.ts';
import { quoted } from './explain-access.ts';
import type { Mailbox } from './mailbox.entity.ts';

/** What sends, as far as its rights in Exchange are concerned. */
export interface DeniedSender {
  mailbox: Pick<Mailbox, 'emailAddress'>;
  account: Pick<Account, 'kind' | 'emailAddress'>;
}

/**
 * Why Microsoft does not let a mailbox send as an address, with the steps for just this pair and what ends it afterwards:
 * of the primary address a test message, which `verifyMailboxAccess` sends; of any other one adding it again. Pure.
 */
export function deniedProblem(
  problem: Problem,
  { mailbox, account }: DeniedSender,
  emailAddress: string,
): Problem {
  // In application mode nobody has signed in: the right is that of the mailbox that the mail is sent from.
  const trustee = account.kind === 'TENANT' ? mailbox.emailAddress : account.emailAddress;
  const isPrimary = emailAddress === mailbox.emailAddress;
  const afterwards = isPrimary
    ? 'then run verifyMailboxAccess with `testMessageTo`: once its check SEND passes, the address can be sent as again. retryOutboundMessage sends what has failed.'
    : 'then add the address again with addSendAsAddress. retryOutboundMessage sends what has failed.';
  if (trustee === emailAddress) {
    return {
      ...problem,
      message: `Microsoft does not let ${emailAddress} send as itself.`,
      remedy: `See in the Exchange admin center (Recipients > Mailboxes) whether ${emailAddress} is still the primary address of the mailbox and may send; run refreshAccount where it has another one; ${afterwards}`,
    };
  }
  const alias = isPrimary
    ? ''
    : ` Where ${emailAddress} is an alias of the mailbox itself: Set-OrganizationConfig -SendFromAliasEnabled $true.`;
  return {
    ...problem,
    message: `${trustee} has not the right Send As for ${emailAddress}.`,
    remedy: `In the Exchange admin center: Recipients > ${emailAddress} > Delegation > Send as > add ${trustee}. Or in Exchange Online PowerShell: Add-RecipientPermission -Identity ${quoted(emailAddress)} -Trustee ${quoted(trustee)} -AccessRights SendAs.${alias} It takes up to an hour to work; ${afterwards}`,
  };
}
