import { type AadstsCode, OAuthFault } from './oauth-fault.ts';

/** What a tenant can hold against an account, and what else its tokens can be refused for, in Microsoft's words. */
const SENTENCES = {
  50020:
    "User account from identity provider 'live.com' does not exist in the tenant and cannot access the application in that tenant.",
  50053:
    'The account is locked, you have tried to sign in too many times with an incorrect user ID or password.',
  50057: 'The user account is disabled.',
  50076:
    'Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access the resource.',
  50079:
    'Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor authentication to access the resource.',
  50105:
    'Your administrator has configured the application to block users unless they are specifically granted (assigned) access to the application.',
  53000: 'Your device is required to be compliant to access this resource.',
  53003:
    'Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.',
  65001: 'The user or administrator has not consented to use the application.',
  90033: 'A transient error has occurred. Please try again.',
  7000215: 'Invalid client secret provided.',
  7000222: 'The provided client secret keys are expired.',
  530032: 'Access has been blocked by a security policy of the tenant.',
} as const satisfies Partial<Record<AadstsCode, string>>;

/** An AADSTS number that stands for a refused account. */
export type RefusalCode = keyof typeof SENTENCES;

/** Every number that an account can be refused with. */
export const REFUSAL_CODES = Object.keys(SENTENCES).map(Number) as RefusalCode[];

/** The fault that Microsoft answers a refused account with. */
export function refusalFault(code: RefusalCode): OAuthFault {
  return new OAuthFault(code, SENTENCES[code]);
}
