import type { Account } from './account.entity.ts';

/**
 * The permissions of Graph that any of these accounts has now. What was granted to an account that was disconnected, or
 * whose consent Microsoft has said to be gone, does not count: `grantedScopes` keeps it, for the next sign-in to ask for.
 */
export function standingPermissions(
  accounts: readonly Pick<Account, 'kind' | 'status' | 'problem' | 'grantedScopes'>[],
): ReadonlySet<string> {
  return new Set(accounts.filter(consentStands).flatMap(({ grantedScopes }) => grantedScopes));
}

function consentStands({ kind, status, problem }: Pick<Account, 'kind' | 'status' | 'problem'>): boolean {
  if (status === 'DISCONNECTED') return false;
  if (status !== 'NEEDS_CONSENT' || problem?.code !== 'CONSENT_REQUIRED') return true;
  // The token of a tenant shows what it has, though it lacks something else; a refusal shows that it has nothing.
  return kind === 'TENANT' && problem.microsoftCode === undefined;
}
