import { expect, onTestFinished, test } from 'vitest';
import { connectLockSession, createLockSession } from '../../src/platform/lock-session.ts';
import { cloneDatabase } from '../support/database.ts';

test('the server notices within a minute that a process is cut off, and frees its locks', async () => {
  const db = await cloneDatabase();
  onTestFinished(() => db[Symbol.asyncDispose]());
  const client = createLockSession({ connectionString: db.url });
  onTestFinished(() => client.end());
  await connectLockSession(client);
  const { rows } = await client.query(
    `select current_setting('tcp_keepalives_idle') as idle, current_setting('tcp_keepalives_interval') as interval,
       current_setting('tcp_keepalives_count') as count`,
  );
  expect(rows).toEqual([{ idle: '15', interval: '5', count: '3' }]);
});
