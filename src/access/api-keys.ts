import { z } from 'zod';
import { NotFoundError } from '../errors.ts';
import { systemClock } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { findPage, type Page, type PageArguments } from '../platform/keyset.ts';
import { oneLine, parseInput } from '../platform/parse-input.ts';
import { digest, randomToken } from '../platform/secrets.ts';
import { UserDisabledError } from './access-errors.ts';
import { type Actor, assertMayManage } from './actor.ts';
import { ApiKey } from './api-key.entity.ts';
import { announceSessionChange } from './session-watch.ts';
import type { User } from './user.entity.ts';

/** Every key starts with this, so that a leaked one is recognised for what it is. */
const KEY_MARK = 'dg_';
/** How much of a key is kept in clear. */
const PREFIX_LENGTH = 10;

const keyName = z.object({ name: oneLine.min(1).max(100) });

/** The organization's keys, the newest first. */
export function listApiKeys(em: EntityManager, args: PageArguments): Promise<Page<ApiKey>> {
  return findPage(em, ApiKey, {}, { key: 'createdAt', direction: 'desc' }, args);
}

/** A key, and the secret that is shown this once. */
export interface NewApiKey {
  apiKey: ApiKey;
  /** `dg_` and 43 characters: 256 random bits in base64url. */
  secret: string;
}

/**
 * Makes a key that acts as `user`. Throws InvalidInputError, OwnerRequiredError, or UserDisabledError.
 * `secret` is for the configured administrator's key alone; every other one is drawn here.
 */
export async function createApiKey(
  em: EntityManager,
  { actor, user, name, secret }: { actor: Actor; user: User; name: string; secret?: string },
): Promise<NewApiKey> {
  assertMayManage(actor, user.role);
  if (user.disabledAt) throw new UserDisabledError();
  const input = parseInput(keyName, { name });
  const key = secret ?? `${KEY_MARK}${randomToken()}`;
  const apiKey = em.create(ApiKey, {
    organization: user.organization,
    user,
    name: input.name,
    prefix: key.slice(0, PREFIX_LENGTH),
    secretDigest: digest(key),
  });
  await em.flush();
  return { apiKey, secret: key };
}

/**
 * Revokes a key: it is refused from now on, and its streams end at once in every process. Revoking it again changes
 * nothing. Throws NotFoundError, or OwnerRequiredError.
 */
export function revokeApiKey(
  em: EntityManager,
  { actor, apiKeyId }: { actor: Actor; apiKeyId: string },
): Promise<ApiKey> {
  return em.transactional(async (tx) => {
    const apiKey = await tx.findOne(ApiKey, apiKeyId, { populate: ['user'] });
    if (!apiKey) throw new NotFoundError('The API key');
    assertMayManage(actor, apiKey.user.$.role);
    if (apiKey.revokedAt) return apiKey;
    apiKey.revokedAt = systemClock.now();
    await tx.flush();
    await announceSessionChange(tx, { apiKeyId });
    return apiKey;
  });
}
