import type pg from 'pg';
import { toError } from '../errors.ts';
import { delay, SECOND } from '../platform/clock.ts';
import { connectLockSession, createLockSession } from '../platform/lock-session.ts';
import type { Logger } from '../platform/logger.ts';

/** How long a job must have been locked before its owner is asked about: an owner that starts needs a moment. */
const YOUNGEST_LOCK = '1 second';
const RECONNECT_DELAY = 1 * SECOND;

/**
 * Says to the other processes that the owner of a worker pool's jobs is alive, by an advisory lock on a connection of its
 * own. PostgreSQL drops the lock in the instant the process dies, however it dies.
 */
export class JobOwnership implements AsyncDisposable {
  readonly #databaseUrl: string;
  readonly #poolId: string;
  readonly #logger: Logger;
  readonly #stopped = new AbortController();
  #client: pg.Client | undefined;

  constructor(databaseUrl: string, poolId: string, logger: Logger) {
    this.#databaseUrl = databaseUrl;
    this.#poolId = poolId;
    this.#logger = logger;
  }

  /** Takes the lock, and takes it again whenever the connection is lost, until disposed. */
  async hold(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      try {
        await this.#holdOnce();
      } catch (thrown) {
        if (this.#stopped.signal.aborted) return;
        this.#logger.warn(
          { err: toError(thrown) },
          'lost the connection that owns the jobs; taking it again',
        );
        await delay(RECONNECT_DELAY, this.#stopped.signal).catch(() => undefined);
      }
    }
  }

  async #holdOnce(): Promise<void> {
    const client = createLockSession({
      connectionString: this.#databaseUrl,
      application_name: 'deskgraph-jobs-owner',
    });
    this.#client = client;
    const lost = new Promise<never>((_, reject) => {
      // Not once: a connection that the server ends tells of it twice, and an error without a listener ends the process.
      client.on('error', reject);
      client.once('end', () => reject(new Error('The connection ended.')));
    });
    lost.catch(() => undefined);
    await connectLockSession(client);
    await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [this.#poolId]);
    await lost;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort(new Error('The worker is stopping.'));
    await this.#client?.end().catch(() => undefined);
  }
}

/**
 * Gives back the jobs and queues of processes that died while they ran: graphile-worker itself would wait four hours.
 * Returns how many owners were found dead. The owner's word is the advisory lock of {@link JobOwnership}; should a living
 * owner have lost its connection just now, one of its jobs may run twice at a time, which every handler must bear anyway.
 */
export async function releaseDeadOwners(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ owner: string }>(
    `with owners as (
       select locked_by as owner from graphile_worker._private_jobs
         where locked_by is not null and locked_at < now() - interval '${YOUNGEST_LOCK}'
       union
       select locked_by from graphile_worker._private_job_queues
         where locked_by is not null and locked_at < now() - interval '${YOUNGEST_LOCK}'
     )
     select owner from owners`,
  );
  const dead: string[] = [];
  for (const { owner } of rows) {
    const { rows: tried } = await client.query<{ free: boolean }>(
      'select pg_try_advisory_lock(hashtextextended($1, 0)) as free',
      [owner],
    );
    if (tried[0]?.free) dead.push(owner);
  }
  if (dead.length > 0) {
    await client.query('select graphile_worker.force_unlock_workers($1::text[])', [dead]);
    await client.query(
      'select pg_advisory_unlock(hashtextextended(owner, 0)) from unnest($1::text[]) as owner',
      [dead],
    );
  }
  return dead.length;
}
