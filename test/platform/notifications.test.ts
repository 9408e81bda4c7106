import pg from 'pg';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createLogger } from '../../src/platform/logger.ts';
import { createNotifications, type Notifications } from '../../src/platform/notifications.ts';
import { cloneDatabase, disposeAfterTest, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/wait.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

const open = (databaseUrl = own.url) =>
  disposeAfterTest(createNotifications({ databaseUrl, logger: createLogger('silent') }));

/** A listener that remembers. */
function listen(notifications: Notifications, channel: string) {
  const heard: string[] = [];
  let listening = 0;
  const stop = notifications.listen(channel, {
    onMessage: (payload) => void heard.push(payload),
    onListening: () => {
      listening += 1;
    },
  });
  return { heard, stop, listening: () => listening };
}

async function query(sql: string, parameters: unknown[] = []): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: own.url });
  await client.connect();
  try {
    return await client.query(sql, parameters);
  } finally {
    await client.end();
  }
}
const notify = (channel: string, payload: string) => query('select pg_notify($1, $2)', [channel, payload]);
const LISTENERS = `from pg_stat_activity
  where application_name = 'deskgraph-listen' and datname = current_database()`;

test('hears its channels and no other, whether listened to before or after the start', async () => {
  const notifications = open();
  const before = listen(notifications, 'Before "quoted"');
  await notifications.start();
  expect(before.listening()).toBe(1);
  const after = listen(notifications, 'after');
  await eventually('it listens', () => after.listening() === 1);
  await notify('after', '1');
  await notify('elsewhere', '2');
  await notify('Before "quoted"', '3');
  await eventually('both are heard', () => before.heard.length + after.heard.length === 2);
  expect([before.heard, after.heard]).toEqual([['3'], ['1']]);
});

test('channels that are listened to at once wait for each other: a connection is asked one thing at a time', async () => {
  const { query: original } = pg.Client.prototype;
  let running = 0;
  let most = 0;
  pg.Client.prototype.query = function (this: pg.Client, ...values: unknown[]) {
    const result: Promise<unknown> = Reflect.apply(original, this, values);
    most = Math.max(most, ++running);
    const done = () => void running--;
    result.then(done, done);
    return result;
  } as typeof original;
  onTestFinished(() => {
    pg.Client.prototype.query = original;
  });
  const notifications = open();
  await notifications.start();
  const listeners = ['one', 'two', 'three'].map((channel) => listen(notifications, channel));
  await eventually('all listen', () => listeners.every(({ listening }) => listening() === 1));
  expect(most).toBe(1);
});

test('comes back after every loss of the connection, and says each time that something may have been missed', async () => {
  const notifications = open();
  const listener = listen(notifications, 'lost');
  await notifications.start();
  for (const round of [1, 2, 3]) {
    await query(`select pg_terminate_backend(pid) ${LISTENERS}`);
    await eventually('it listens again', () => listener.listening() === round + 1);
    await notify('lost', String(round));
    await eventually('it hears again', () => listener.heard.length === round);
  }
  expect(listener.heard).toEqual(['1', '2', '3']);
});

test('who has stopped listening hears nothing, while another goes on', async () => {
  const notifications = open();
  const [one, other] = [listen(notifications, 'shared'), listen(notifications, 'shared')];
  await notifications.start();
  one.stop();
  await notify('shared', '1');
  await eventually('the other hears', () => other.heard.length === 1);
  expect(one.heard).toEqual([]);
});

test('closing leaves no connection behind, also in the middle of coming back', async () => {
  const [quiet, returning] = [open(), open()];
  for (const notifications of [quiet, returning]) {
    listen(notifications, 'closed');
    await notifications.start();
  }
  await quiet.close();
  await query(`select pg_terminate_backend(pid) ${LISTENERS}`);
  await returning.close();
  await eventually('nobody is connected', async () => (await query(`select 1 ${LISTENERS}`)).rowCount === 0);
});

test('a start without a database fails, and says so', async () => {
  await expect(open('postgres://nobody@127.0.0.1:1/none').start()).rejects.toThrow('ECONNREFUSED');
});
