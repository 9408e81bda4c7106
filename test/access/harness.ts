import { SYSTEM } from '../../src/access/actor.ts';
import { createApiKey } from '../../src/access/api-keys.ts';
import { authenticateApiKey } from '../../src/access/authenticate.ts';
import type { Role } from '../../src/access/permissions.ts';
import type { Session } from '../../src/access/session.ts';
import type { User } from '../../src/access/user.entity.ts';
import { createUser } from '../../src/access/users.ts';
import { type Database, forkFor } from '../../src/platform/database.ts';

/** A user of a role with a key, signed in. */
export interface SignedIn {
  user: User;
  secret: string;
  apiKeyId: string;
  session: Session;
}

/** Makes a user of `role` in the organization, with a key, and signs in with it. */
export async function signIn(database: Database, organizationId: string, role: Role): Promise<SignedIn> {
  const em = forkFor(database, organizationId);
  const user = await createUser(em, { actor: SYSTEM, organizationId, name: `The ${role}`, role });
  const { apiKey, secret } = await createApiKey(em, { actor: SYSTEM, user, name: 'Test' });
  const session = await authenticateApiKey(database, secret);
  if (!session) throw new Error('A new key was refused.');
  return { user, secret, apiKeyId: apiKey.id, session };
}
