import { expect, onTestFinished, test } from 'vitest';
import { BudgetConnection } from '../../src/microsoft365/graph-budget-connection.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { cloneDatabase } from '../support/database.ts';

test('the server notices within a minute that a process is cut off, and frees its slots', async () => {
  const db = await cloneDatabase();
  onTestFinished(() => db[Symbol.asyncDispose]());
  const connected = Promise.withResolvers<void>();
  const connection = new BudgetConnection(db.url, createLogger('silent'), {
    onConnected: connected.resolve,
    onLost: () => undefined,
    onMessage: () => undefined,
  });
  const holding = connection.hold();
  onTestFinished(async () => {
    await connection[Symbol.asyncDispose]();
    await holding;
  });
  await connected.promise;
  const text = `select current_setting('tcp_keepalives_idle') as idle, current_setting('tcp_keepalives_interval') as interval,
    current_setting('tcp_keepalives_count') as count`;
  expect(await connection.query({ text })).toEqual([{ idle: '15', interval: '5', count: '3' }]);
});
