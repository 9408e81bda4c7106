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
  APP_DISABLED: [
    'The app, or the service of Microsoft that it asks, is switched off in the tenant.',
    'Let an administrator switch it on in the Microsoft Entra admin center: Enterprise applications, the app, Properties, "Enabled for users to sign-in".',
  ],
  CONDITIONAL_ACCESS: [
    'A Conditional Access policy of the tenant does not let the account use the app from here.',
    'Let an administrator look up the sign-in under Sign-in logs, Conditional Access, and exclude the app or allow this server and device; then sign in again.',
  ],
} as const satisfies Record<string, readonly [string, string]>;

/** What helps where the app acts for a tenant (application mode), instead of the remedies for people who sign in. */
export const TENANT_REMEDIES: Readonly<Partial<Record<string, string>>> = {
  ACCOUNT_DISCONNECTED:
    'Let an administrator of the tenant open the page of startAdminConsent, and switch incoming mail on.',
  ACCOUNT_DISABLED:
    'Let an administrator look up the code of Microsoft that is named here, and enable what it names in the Microsoft Entra admin center.',
  ACCOUNT_NOT_FOUND: 'Check the tenant id of the integration, and whether that tenant still exists.',
  APP_NOT_ASSIGNED:
    'Let an administrator switch "Assignment required" off for the app under Enterprise applications, Properties.',
  CONDITIONAL_ACCESS:
    'Let an administrator look up the sign-in under Sign-in logs, Service principal sign-ins, and exclude the app from the Conditional Access policy for workload identities, or allow the address of this server there.',
  CONSENT_REQUIRED: 'Let an administrator of the tenant open the page of startAdminConsent and accept.',
};

export type AccountRefusal = keyof typeof ACCOUNT_REFUSALS;

/** Refusals that somebody else than the account's owner lifts: the tokens that we have may work again then. */
export function mayPassByItself(code: string): boolean {
  return Object.hasOwn(ACCOUNT_REFUSALS, code) && code !== 'MFA_REQUIRED';
}
