import { z } from 'zod';
import {
  acrossOrganizations,
  type Database,
  type EntityManager,
  forkAcrossOrganizations,
} from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import { oneLine, parseInput } from '../platform/parse-input.ts';
import { digest } from '../platform/secrets.ts';
import { SYSTEM } from './actor.ts';
import { ApiKey } from './api-key.entity.ts';
import { createApiKey } from './api-keys.ts';
import { Organization } from './organization.entity.ts';
import type { Session } from './session.ts';
import { User } from './user.entity.ts';
import { createUser } from './users.ts';

const newOrganization = z.object({ name: oneLine.min(1).max(200) });

/** Held while the first organization is looked for: processes that start together must not make two. Never changed. */
const FIRST_ORGANIZATION_LOCK = 4_010_000_003;

/** The organization of a session. */
export function getOrganization(em: EntityManager, { organizationId }: Session): Promise<Organization> {
  return em.findOneOrFail(Organization, organizationId);
}

/**
 * The organization, locked until the transaction ends and read anew. `for no key update`, as ticketing/ticket-number.ts
 * takes it and for its reason. Whoever needs a mailbox's lock too takes that one first, as the storing of mail does.
 */
export async function lockOrganization(em: EntityManager, organizationId: string): Promise<Organization> {
  await em.execute('select from organization where id = ? for no key update', [organizationId]);
  return em.findOneOrFail(Organization, { id: organizationId }, { refresh: true });
}

/**
 * Organizations by their ids: the session's own, and null for every other. The table is not under the organization
 * filter (it is what the filter is about), so this is where one organization is kept from reading another.
 */
export async function loadOrganizations(
  em: EntityManager,
  session: Session,
  ids: readonly string[],
): Promise<(Organization | null)[]> {
  const own = ids.includes(session.organizationId) ? await getOrganization(em, session) : null;
  return ids.map((id) => (id === session.organizationId ? own : null));
}

/** An organization with the one who can manage it. */
export interface NewOrganization {
  organization: Organization;
  owner: User;
  /** The OWNER's API key, shown this once. */
  secret: string;
}

/**
 * Makes an organization, its OWNER and the OWNER's key; all or nothing. `em` must see all organizations
 * (forkAcrossOrganizations): no scope exists yet. Throws InvalidInputError.
 */
export async function createOrganization(
  em: EntityManager,
  name: string,
  { adminKey }: { adminKey?: string } = {},
): Promise<NewOrganization> {
  const input = parseInput(newOrganization, { name });
  return em.transactional(async (tx) => {
    const organization = tx.create(Organization, { name: input.name });
    await tx.flush();
    const owner = await createUser(tx, {
      actor: SYSTEM,
      organizationId: organization.id,
      name: 'Owner',
      role: 'OWNER',
    });
    const key = {
      actor: SYSTEM,
      user: owner,
      name: 'First key',
      ...(adminKey && { secret: adminKey }),
    } as const;
    const { secret } = await createApiKey(tx, key);
    return { organization, owner, secret };
  });
}

/**
 * Sees to it that somebody can get in. At the first start it makes the organization "Default" with an OWNER and a key,
 * and returns the key to be printed once; with `adminKey` (`DESKGRAPH_ADMIN_KEY`) that is the key, and nothing is
 * returned. At every later start an `adminKey` that is not known yet becomes a further key of the first organization's
 * longest-serving OWNER, so that whoever holds the configuration is never locked out. A configured key that was revoked
 * stays revoked. Processes that start together wait for each other.
 */
export function ensureFirstOrganization(
  database: Database,
  { adminKey, logger }: { adminKey: string | null; logger: Logger },
): Promise<string | null> {
  return forkAcrossOrganizations(database).transactional(async (em) => {
    await em.execute('select pg_advisory_xact_lock(?::bigint)', [FIRST_ORGANIZATION_LOCK]);
    const [first] = await em.find(Organization, {}, { orderBy: { createdAt: 'asc', id: 'asc' }, limit: 1 });
    if (!first) {
      const { organization, secret } = await createOrganization(em, 'Default', adminKey ? { adminKey } : {});
      logger.info({ organizationId: organization.id }, 'made the first organization');
      return adminKey ? null : secret;
    }
    if (adminKey) await ensureAdminKey(em, first, adminKey, logger);
    return null;
  });
}

async function ensureAdminKey(
  em: EntityManager,
  organization: Organization,
  adminKey: string,
  logger: Logger,
): Promise<void> {
  const known = await em.findOne(ApiKey, { secretDigest: digest(adminKey) }, acrossOrganizations);
  if (known) {
    if (known.revokedAt)
      logger.warn({ apiKeyId: known.id }, 'the configured admin key was revoked; configure another');
    return;
  }
  const owner = await em.findOne(
    User,
    { organization, role: 'OWNER', disabledAt: null },
    { ...acrossOrganizations, orderBy: { createdAt: 'asc', id: 'asc' } },
  );
  if (!owner) throw new Error('The first organization has no enabled OWNER.');
  const { apiKey } = await createApiKey(em, {
    actor: SYSTEM,
    user: owner,
    name: 'Configured key',
    secret: adminKey,
  });
  logger.info({ apiKeyId: apiKey.id }, 'the configured admin key is now a key of the first organization');
}
