import { type Clock, MINUTE, systemClock } from '../platform/clock.ts';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';
import { digest } from '../platform/secrets.ts';
import { SESSION_COLUMNS, type Session, type SessionRow, toSession } from './session.ts';

/** How exact `lastUsedAt` is: a busy key writes its row once in this time, not once a request. */
const LAST_USED_RESOLUTION = MINUTE;

/**
 * The session behind an `Authorization` header (RFC 6750: `Bearer <credential>`), or null when there is none, or none
 * that is valid.
 */
export async function authenticate(
  database: Database,
  authorization: string | null | undefined,
): Promise<Session | null> {
  const [, credential] = /^Bearer +([\x21-\x7e]{1,512})$/i.exec(authorization?.trim() ?? '') ?? [];
  return credential === undefined ? null : authenticateApiKey(database, credential);
}

/**
 * The session of an API key, or null when the key is unknown or revoked or its user disabled.
 *
 * The row is found by the key's SHA-256. The time of an index look-up tells at most something about digests, and nobody
 * can choose a key by its digest: there is no secret whose bytes are compared one by one. A fast hash is enough because
 * the key is 256 random bits, not a password. The look-up goes across organizations, since the key is what says which
 * organization the caller belongs to.
 */
export async function authenticateApiKey(
  database: Database,
  secret: string,
  clock: Clock = systemClock,
): Promise<Session | null> {
  const em = forkAcrossOrganizations(database);
  const now = clock.now();
  const staleBefore = new Date(now.getTime() - LAST_USED_RESOLUTION);
  const [row] = await em.execute<(SessionRow & { is_stale: boolean })[]>(
    `select ${SESSION_COLUMNS}, k.last_used_at is null or k.last_used_at <= ?::timestamptz as is_stale
       from api_key k join app_user u on u.organization_id = k.organization_id and u.id = k.user_id
      where k.secret_digest = ? and k.revoked_at is null and u.disabled_at is null`,
    [staleBefore.toISOString(), digest(secret)],
  );
  if (!row) return null;
  if (row.is_stale) {
    // Not awaited: the request need not wait for it, and need not fail when it does. Many requests in the same instant
    // all try, and the row's lock lets one through.
    em.execute(
      `update api_key set last_used_at = ?::timestamptz where id = (
         select id from api_key where id = ?::uuid
            and (last_used_at is null or last_used_at <= ?::timestamptz) for update skip locked)`,
      [now.toISOString(), row.api_key_id, staleBefore.toISOString()],
    ).catch(() => undefined);
  }
  return toSession(row);
}
