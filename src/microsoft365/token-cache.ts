import type { AccountInfo, AuthenticationResult, ConfidentialClientApplication } from '@azure/msal-node';
import type { SecretBox } from '../platform/secrets.ts';

/*
 * MSAL's token cache of one account, sealed at rest: it holds the refresh token, which is as good as the mailbox. The
 * context binds the sealed text to its row, so that one account's cache cannot be put into another's.
 */

/** Seals what MSAL holds after a success. */
export function sealTokenCache(
  secretBox: SecretBox,
  accountId: string,
  msal: ConfidentialClientApplication,
): string {
  return secretBox.seal(msal.getTokenCache().serialize(), contextOf(accountId));
}

/** Gives MSAL the stored cache, and tells which account is in it; null when it is not. Throws when the key is unknown. */
export async function openTokenCache(
  secretBox: SecretBox,
  account: { id: string; homeAccountId: string; sealedTokenCache: string },
  msal: ConfidentialClientApplication,
): Promise<AccountInfo | null> {
  // A disconnected account has none; that of a tenant may be consented to again.
  if (account.sealedTokenCache === '') return null;
  const cache = msal.getTokenCache();
  cache.deserialize(secretBox.open(account.sealedTokenCache, contextOf(account.id)));
  return await cache.getAccountByHomeId(account.homeAccountId);
}

/** The permissions of Graph in an answer of the sign-in service, without their resource and without OpenID's own. */
export function grantedPermissions({ scopes }: Pick<AuthenticationResult, 'scopes'>): string[] {
  const names = scopes
    .map((scope) => scope.slice(scope.lastIndexOf('/') + 1))
    .filter((name) => !['openid', 'profile', 'email', 'offline_access', ''].includes(name.toLowerCase()));
  return [...new Set(names)].sort();
}

function contextOf(accountId: string): string {
  return `account:${accountId}`;
}
