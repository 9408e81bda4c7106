import pg from 'pg';
import { SECOND } from './clock.ts';

const CONNECT_DEADLINE = 10 * SECOND;
/**
 * Of a process whose network is cut the server hears nothing, and by its own defaults it would keep the locks of the session
 * for two hours. In seconds and in milliseconds; what a platform does not know it ignores.
 * https://www.postgresql.org/docs/current/runtime-config-connection.html
 */
const NOTICE_ABSENCE = `set tcp_keepalives_idle = 15; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3;
  set tcp_user_timeout = 30000`;

/**
 * A connection for locks that shall die with their process: made by {@link connectLockSession}, listened to before. Not from
 * a pool, which would hand it on.
 */
export function createLockSession(config: pg.ClientConfig): pg.Client {
  return new pg.Client({ keepAlive: true, connectionTimeoutMillis: CONNECT_DEADLINE, ...config });
}

/** Connects, and asks the server to notice within a minute when this side is cut off. Throws what pg throws. */
export async function connectLockSession(client: pg.Client): Promise<void> {
  await client.connect();
  await client.query(NOTICE_ABSENCE);
}
