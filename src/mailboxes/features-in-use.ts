import { Account } from '../microsoft365/account.entity.ts';
import { Integration } from '../microsoft365/integration.entity.ts';
import type { Microsoft365Feature } from '../microsoft365/required-permissions.ts';
import { permissionsFor } from '../microsoft365/sign-in-purpose.ts';
import type { EntityManager } from '../platform/database.ts';
import { Mailbox } from './mailbox.entity.ts';

/**
 * What of Microsoft 365 the organization uses: whoever has set up nothing yet wants to read mail. The directory counts
 * from the sign-in for it on.
 */
export async function featuresInUse(em: EntityManager): Promise<Microsoft365Feature[]> {
  const sending = { outgoingEnabled: true, removedAt: null, account: { kind: 'USER' as const } };
  const [integrations, tenants, shared, sendingOwn, sendingShared, signedInForDirectory] = [
    await em.count(Integration, { authorizationMode: 'DELEGATED' }),
    await em.count(Integration, { authorizationMode: 'APPLICATION' }),
    await em.count(Mailbox, { kind: 'SHARED', removedAt: null, account: { kind: 'USER' } }),
    await em.count(Mailbox, { ...sending, kind: 'PRIMARY' }),
    await em.count(Mailbox, { ...sending, kind: 'SHARED' }),
    await em.count(Account, {
      kind: 'USER',
      status: { $ne: 'DISCONNECTED' },
      grantedScopes: { $contains: directoryOnly() },
    }),
  ];
  const features: Microsoft365Feature[] = [];
  if (integrations > 0 || tenants === 0) features.push('MAIL');
  if (shared > 0) features.push('SHARED_MAILBOXES');
  if (sendingOwn > 0) features.push('SENDING');
  if (sendingShared > 0) features.push('SENDING_SHARED');
  if (signedInForDirectory > 0) features.push('DIRECTORY');
  if (tenants > 0) features.push('APPLICATION_MODE');
  return features;
}

/** The permissions that nothing but the directory needs. */
function directoryOnly(): string[] {
  const forMail = permissionsFor('MAIL');
  return permissionsFor('DIRECTORY').filter((name) => !forMail.includes(name));
}
