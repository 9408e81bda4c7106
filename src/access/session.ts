import DataLoader from 'dataloader';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';
import { grants, type Permission, permissionsOf, type Role } from './permissions.ts';

/** Who makes a request, and what they may do. A snapshot: {@link reloadSession} reads it again. */
export interface Session {
  readonly organizationId: string;
  readonly userId: string;
  readonly userName: string;
  readonly role: Role;
  readonly permissions: ReadonlySet<Permission>;
  /** The key that the request came with. */
  readonly apiKeyId: string;
}

/** The columns of {@link SessionRow}, for a query over `api_key k join app_user u`. */
export const SESSION_COLUMNS =
  'k.id as api_key_id, k.organization_id, u.id as user_id, u.name as user_name, u.role';

/** What a session is made of. */
export interface SessionRow {
  api_key_id: string;
  organization_id: string;
  user_id: string;
  user_name: string;
  role: Role;
}

/** The session that a row describes. */
export function toSession(row: SessionRow): Session {
  return {
    organizationId: row.organization_id,
    userId: row.user_id,
    userName: row.user_name,
    role: row.role,
    permissions: new Set(permissionsOf(row.role)),
    apiKeyId: row.api_key_id,
  };
}

/** Whether the session holds the permission. */
export function can(session: Session, permission: Permission): boolean {
  return grants(session.role, permission);
}

/**
 * Reads the session again, or gives null when its key was revoked or its user disabled. Streams call it for every
 * event, so all calls of one tick become one statement; that statement begins after each of them, so none is answered
 * from before a revocation. Nothing is remembered from one tick to the next.
 */
export function reloadSession(database: Database, session: Session): Promise<Session | null> {
  let loader = loaders.get(database);
  if (!loader) {
    loader = new DataLoader((apiKeyIds) => loadSessions(database, apiKeyIds), {
      cache: false,
      maxBatchSize: 1_000,
    });
    loaders.set(database, loader);
  }
  return loader.load(session.apiKeyId);
}

const loaders = new WeakMap<Database, DataLoader<string, Session | null>>();

/** Across organizations, since streams of all of them come together here; the key's id is each one's own. */
async function loadSessions(database: Database, apiKeyIds: readonly string[]): Promise<(Session | null)[]> {
  const rows = await forkAcrossOrganizations(database).execute<SessionRow[]>(
    `select ${SESSION_COLUMNS}
       from api_key k join app_user u on u.organization_id = k.organization_id and u.id = k.user_id
      where k.id in (select jsonb_array_elements_text(?::jsonb)::uuid)
        and k.revoked_at is null and u.disabled_at is null`,
    [JSON.stringify(apiKeyIds)],
  );
  const byKey = new Map(rows.map((row) => [row.api_key_id, toSession(row)]));
  return apiKeyIds.map((id) => byKey.get(id) ?? null);
}
