import { batching } from '../platform/batching.ts';
import type { EntityManager } from '../platform/database.ts';
import { Account } from './account.entity.ts';
import { isAskedOnDemand, PERMISSIONS_ASKED } from './sign-in-purpose.ts';

/** A delegated permission of Microsoft Graph that a sign-in asks for. */
export interface RequiredPermission {
  name: string;
  purpose: string;
  /** Whether it is asked for only on demand. */
  isOptional: boolean;
}

/** What an app registration needs in order to work with this server. */
export interface Microsoft365Setup {
  redirectUri: string;
  permissions: RequiredPermission[];
}

/** What to enter at Microsoft; the permissions are those that `startSignIn` asks for. */
export function describeSetup(redirectUri: string): Microsoft365Setup {
  return {
    redirectUri,
    permissions: Object.entries(PERMISSIONS_ASKED).map(([name, purpose]) => ({
      name,
      purpose,
      isOptional: isAskedOnDemand(name),
    })),
  };
}

/** A permission that sign-ins of an integration ask for. */
export interface IntegrationPermission {
  name: string;
  purpose: string;
  /** Whether it was granted to an account of the integration at its last sign-in. */
  granted: boolean;
}

/** The permissions of an integration, and which of them any of its accounts has. For a page of them it is one query. */
export async function permissionsOfIntegration(
  em: EntityManager,
  integrationId: string,
): Promise<IntegrationPermission[]> {
  const accounts = (await loadGrants(em, integrationId)) ?? [];
  const granted = new Set(accounts.flatMap(({ grantedScopes }) => grantedScopes));
  return Object.entries(PERMISSIONS_ASKED).map(([name, purpose]) => ({
    name,
    purpose,
    granted: granted.has(name),
  }));
}

const loadGrants = batching(async (em, integrationIds: readonly string[]) => {
  const accounts = await em.find(
    Account,
    { integration: { $in: [...integrationIds] } },
    { fields: ['grantedScopes', 'integration'], limit: 1_000 * integrationIds.length },
  );
  return Map.groupBy(accounts, ({ integration }) => integration.id);
});
