import type { Pool, PoolClient } from 'pg';
import { SECOND } from './clock.ts';

/** How long whoever holds a broken connection has to give it back properly. */
const GRACE = 1 * SECOND;

/**
 * Gives the pool back the places of connections that broke in a transaction.
 *
 * Kysely 0.29.6, which MikroORM runs on, gives a transaction's connection back only after a successful commit or
 * rollback, and not at all when `begin` fails. None of them can succeed on a connection that the server has ended, so
 * each restart of PostgreSQL would take places from the pool for ever, until nobody gets a connection and closing the
 * pool hangs. Here a connection that has ended and is still held after {@link GRACE} is given back in the holder's name.
 */
export function freeBrokenConnections(pool: Pool): void {
  const held = new WeakSet<PoolClient>();
  pool.on('acquire', (client) => held.add(client));
  pool.on('release', (_error, client) => held.delete(client));
  pool.on('connect', (client) => {
    client.once('end', () => {
      if (!held.has(client)) return;
      setTimeout(() => {
        if (!held.has(client)) return;
        client.release(true);
        // Should the holder come after all, pg would throw at a second release.
        client.release = () => undefined;
      }, GRACE);
    });
  });
}
