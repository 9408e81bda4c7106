import type { EntityManager } from '../platform/database.ts';
import { Account, type AccountKind } from './account.entity.ts';
import { APPLICATION_PERMISSIONS, isNeededForSendingOnly } from './application-permissions.ts';
import type { AuthorizationMode } from './integration.entity.ts';
import { isAskedOnDemand, PERMISSIONS_ASKED, permissionsFor } from './sign-in-purpose.ts';
import { standingPermissions } from './standing-consent.ts';

/** What needs permissions of its own. */
export const MICROSOFT365_FEATURES = [
  'MAIL',
  'SHARED_MAILBOXES',
  'SENDING',
  'SENDING_SHARED',
  'DIRECTORY',
  'APPLICATION_MODE',
] as const;
export type Microsoft365Feature = (typeof MICROSOFT365_FEATURES)[number];

/** A permission of Microsoft Graph that a feature needs. */
export interface RequiredPermission {
  name: string;
  /** How the app registration lists it: as delegated or as an application permission. */
  kind: AuthorizationMode;
  purpose: string;
  /** Whether it is asked for only on demand. */
  isOptional: boolean;
  /** Whether any account of the organization has it. */
  granted: boolean;
}

/** More accounts than an organization has. */
const MOST_ACCOUNTS = 10_000;

/** The permissions that these features need, each once, and whether they are granted. */
export async function requiredPermissions(
  em: EntityManager,
  features: readonly Microsoft365Feature[],
): Promise<RequiredPermission[]> {
  const accounts = await em.find(
    Account,
    {},
    { fields: ['kind', 'status', 'problem', 'grantedScopes'], orderBy: { id: 'asc' }, limit: MOST_ACCOUNTS },
  );
  const grantedTo = (kind: AccountKind) =>
    standingPermissions(accounts.filter((account) => account.kind === kind));
  const delegated = new Set(
    features.flatMap((feature) => (feature === 'APPLICATION_MODE' ? [] : permissionsFor(feature))),
  );
  const ofPeople = grantedTo('USER');
  const ofTenants = grantedTo('TENANT');
  return [
    ...Object.entries(PERMISSIONS_ASKED)
      .filter(([name]) => delegated.has(name))
      .map(([name, purpose]) => ({
        name,
        kind: 'DELEGATED' as const,
        purpose,
        isOptional: isAskedOnDemand(name),
        granted: ofPeople.has(name),
      })),
    ...(features.includes('APPLICATION_MODE') ? Object.entries(APPLICATION_PERMISSIONS) : []).map(
      ([name, purpose]) => ({
        name,
        kind: 'APPLICATION' as const,
        purpose,
        isOptional: isNeededForSendingOnly(name),
        granted: ofTenants.has(name),
      }),
    ),
  ];
}
