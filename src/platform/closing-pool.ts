import type { Pool, PoolClient } from 'pg';

/** A connection was asked for, and before it stood, the pool was closed. */
export class PoolClosedError extends Error {
  constructor() {
    super('The database was closed before the connection stood.');
  }
}

/**
 * Lets a pool end although connections are being made for it.
 *
 * Kysely 0.29.6, which MikroORM runs on, forgets its pool before it ends it, and reads from it when a connection comes: who
 * asked just before then gets a TypeError, and nobody gives the connection back, for which the end of the pool waits for
 * ever. So closing the database hung whenever the process stopped while something asked for its first connection, on a
 * busy machine right after its start. Here such a connection is given back, and who asked gets a {@link PoolClosedError}.
 */
export function giveBackWhileClosing(pool: Pool): void {
  const connect = pool.connect.bind(pool);
  const connectWhileOpen = async (): Promise<PoolClient> => {
    const client = await connect();
    if (!pool.ending) return client;
    client.release(true);
    throw new PoolClosedError();
  };
  // A callback is pg's own, for `pool.query`, which gives back what it takes.
  pool.connect = ((callback?: Parameters<typeof connect>[0]) =>
    callback ? connect(callback) : connectWhileOpen()) as typeof pool.connect;
}
