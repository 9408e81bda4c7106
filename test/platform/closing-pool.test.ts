import { expect, test } from 'vitest';
import { entities } from '../../src/entities.ts';
import { forkAcrossOrganizations, openDatabase } from '../../src/platform/database.ts';
import { cloneDatabase, disposeAfterTest } from '../support/database.ts';

test('closing ends although connections are being made: who asked for them is told, and none stays behind', async () => {
  const { url } = disposeAfterTest(await cloneDatabase());
  const database = await openDatabase({ url, entities, migrations: [] });
  // The pool itself is made by the first query; its connection is given away, so that new ones are needed.
  const em = forkAcrossOrganizations(database);
  await em.execute('select 1');
  const asked = [1, 2, 3].map(() => forkAcrossOrganizations(database).execute('select pg_sleep(0.05)'));
  const answers = Promise.allSettled(asked);
  await new Promise((resolve) => setImmediate(resolve));
  await database.close(true);
  const told = (await answers).map((answer) =>
    answer.status === 'rejected' ? String(answer.reason) : 'answered',
  );
  // The first had the connection that stood; the pool waited for its answer.
  expect(told.filter((it) => it === 'answered')).toHaveLength(1);
  expect(told.filter((it) => /closed before the connection stood/.test(it))).toHaveLength(2);
});
