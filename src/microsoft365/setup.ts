import { batching } from '../platform/batching.ts';
import type { EntityManager } from '../platform/database.ts';
import { Account } from './account.entity.ts';
import { APPLICATION_PERMISSIONS } from './application-permissions.ts';
import type { AuthorizationMode } from './integration.entity.ts';
import { PERMISSIONS_ASKED } from './sign-in-purpose.ts';
import { standingPermissions } from './standing-consent.ts';

/** A permission that an integration asks for: at sign-ins, or of an administrator. */
export interface IntegrationPermission {
  name: string;
  purpose: string;
  /** Whether an account of the integration has it now. */
  granted: boolean;
}

/** The permissions of an integration, and which of them any of its accounts has. For a page of them it is one query. */
export async function permissionsOfIntegration(
  em: EntityManager,
  integrationId: string,
  mode: AuthorizationMode = 'DELEGATED',
): Promise<IntegrationPermission[]> {
  const accounts = (await loadGrants(em, integrationId)) ?? [];
  const granted = standingPermissions(accounts);
  return Object.entries(mode === 'APPLICATION' ? APPLICATION_PERMISSIONS : PERMISSIONS_ASKED).map(
    ([name, purpose]) => ({
      name,
      purpose,
      granted: granted.has(name),
    }),
  );
}

const loadGrants = batching(async (em, integrationIds: readonly string[]) => {
  const accounts = await em.find(
    Account,
    { integration: { $in: [...integrationIds] } },
    {
      fields: ['kind', 'status', 'problem', 'grantedScopes', 'integration'],
      limit: 1_000 * integrationIds.length,
    },
  );
  return Map.groupBy(accounts, ({ integration }) => integration.id);
});
