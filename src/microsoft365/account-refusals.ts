/**
 * Why Microsoft does not let an account in, told apart by what helps: at a sign-in, and when its tokens are renewed. For
 * each code a sentence and a remedy. https://learn.microsoft.com/entra/identity-platform/reference-error-codes
 */
export const ACCOUNT_REFUSALS = {
  MFA_REQUIRED: [
    'Microsoft asks the account for a second factor, or to register one.',
    'Sign in with the account again and complete the second step; Microsoft asks for it in the browser only.',
  ],
  ACCOUNT_NOT_FOUND: [
    'The account does not exist in the tenant of the app registration.',
    'Sign in with an account of the tenant that the integration names; somebody else has to be added to the tenant as a guest, or needs an integration of their own tenant.',
  ],
  ACCOUNT_DISABLED: [
    'The account is disabled or locked at Microsoft.',
    'Let an administrator enable the account in the Microsoft Entra admin center. A shared mailbox cannot sign in: use an account that may open it.',
  ],
  APP_NOT_ASSIGNED: [
    'The account is not assigned to the app, and the tenant lets only assigned accounts use it.',
    'Let an administrator assign the account, or a group of it, under Enterprise applications, Users and groups; or switch "Assignment required" off there.',
  ],
  CONDITIONAL_ACCESS: [
    'A Conditional Access policy of the tenant does not let the account use the app from here.',
    'Let an administrator look up the sign-in under Sign-in logs, Conditional Access, and exclude the app or allow this server and device; then sign in again.',
  ],
} as const satisfies Record<string, readonly [string, string]>;

export type AccountRefusal = keyof typeof ACCOUNT_REFUSALS;

/** Refusals that somebody else than the account's owner lifts: the tokens that we have may work again then. */
export function mayPassByItself(code: string): boolean {
  return Object.hasOwn(ACCOUNT_REFUSALS, code) && code !== 'MFA_REQUIRED';
}
