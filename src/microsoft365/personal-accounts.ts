import { InvalidInputError } from '../errors.ts';
import type { SignInPurpose } from './sign-in-purpose.ts';

/** The tenant of all personal Microsoft accounts: apps get no tokens of their own there. */
export const PERSONAL_TENANT = '9188040d-6c67-4c5b-b112-36a304b66dad';

/** What a person may sign in to a personal account for: `Mail.ReadWrite` and `Mail.Send` exist there as well. */
const PERSONAL_PURPOSES: ReadonlySet<SignInPurpose> = new Set<SignInPurpose>(['MAIL', 'SENDING']);

/**
 * Personal accounts have their own mailbox, to read and to send from, and nothing else: the permissions for shared
 * mailboxes and for the directory exist for work and school accounts alone. Throws `InvalidInputError` for a purpose that
 * needs them. https://learn.microsoft.com/graph/permissions-reference#mailsend
 */
export function checkPersonalPurpose(purpose: SignInPurpose): void {
  if (PERSONAL_PURPOSES.has(purpose)) return;
  throw new InvalidInputError(
    'purpose',
    'Personal accounts have no shared mailboxes and no directory.',
    'Use the purpose MAIL, or SENDING to send as well; for shared mailboxes or the directory sign in with a work or school account.',
  );
}
