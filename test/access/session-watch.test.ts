import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SYSTEM } from '../../src/access/actor.ts';
import { revokeApiKey } from '../../src/access/api-keys.ts';
import { createSessionWatch } from '../../src/access/session-watch.ts';
import { updateUser } from '../../src/access/users.ts';
import { forkFor } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createNotifications } from '../../src/platform/notifications.ts';
import {
  cloneDatabase,
  createTestOrganization,
  disposeAfterTest,
  type TestDatabase,
} from '../support/database.ts';
import { eventually } from '../support/wait.ts';
import { signIn } from './harness.ts';

const logger = createLogger('silent');

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

/** The watch of one more process. */
async function startWatch() {
  const notifications = disposeAfterTest(createNotifications({ databaseUrl: own.url, logger }));
  const watch = createSessionWatch({ database: own.database, notifications, logger });
  await notifications.start();
  return watch;
}

async function setUp() {
  const { id } = await createTestOrganization(own.database);
  await signIn(own.database, id, 'OWNER');
  return { id, em: () => forkFor(own.database, id), agent: await signIn(own.database, id, 'AGENT') };
}

const aborted = (signal: AbortSignal) => eventually('the session ends', () => signal.aborted);

test('revoking a key ends its sessions in every process, and no other', async () => {
  const { id, em, agent } = await setUp();
  const other = await signIn(own.database, id, 'AGENT');
  const [here, there] = [await startWatch(), await startWatch()];
  using one = here.watch(agent.session);
  using two = there.watch(agent.session);
  using unconcerned = there.watch(other.session);

  await revokeApiKey(em(), { actor: SYSTEM, apiKeyId: agent.apiKeyId });
  await aborted(one.signal);
  await aborted(two.signal);
  expect(one.signal.reason).toMatchObject({ code: 'SESSION_ENDED' });
  expect(unconcerned.signal.aborted).toBe(false);
});

test.each([{ role: 'VIEWER' as const }, { disabled: true }])(
  'a user who becomes %j loses every open session',
  async (change) => {
    const { em, agent } = await setUp();
    const watch = await startWatch();
    using watched = watch.watch(agent.session);
    await updateUser(em(), { actor: SYSTEM, userId: agent.user.id, ...change });
    await aborted(watched.signal);
  },
);

test('a revocation that is rolled back, or a forged notification, ends nothing', async () => {
  const { em, agent } = await setUp();
  const watch = await startWatch();
  using watched = watch.watch(agent.session);
  await em()
    .transactional(async (tx) => {
      await revokeApiKey(tx, { actor: SYSTEM, apiKeyId: agent.apiKeyId });
      throw new Error('roll back');
    })
    .catch(() => undefined);
  for (const payload of ['', '{', JSON.stringify({ apiKeyId: agent.apiKeyId })]) {
    await em().execute(`select pg_notify('deskgraph_session', ?)`, [payload]);
  }
  // The control: what is announced afterwards arrives, so what came before had arrived too.
  const other = await setUp();
  using control = watch.watch(other.agent.session);
  await revokeApiKey(other.em(), { actor: SYSTEM, apiKeyId: other.agent.apiKeyId });
  await aborted(control.signal);
  expect(watched.signal.aborted).toBe(false);
});

test('a key revoked while the LISTEN connection was down ends its sessions when it is back', async () => {
  const { agent } = await setUp();
  const watch = await startWatch();
  using watched = watch.watch(agent.session);
  const killer = new pg.Client({ connectionString: own.url });
  await killer.connect();
  // One transaction: the connection is gone before the revocation is announced, so nobody can hear it. The lock keeps a
  // connection that is back before the commit from reading the key as it was.
  await killer.query(
    `begin; lock table api_key; update api_key set revoked_at = now() where id = '${agent.apiKeyId}';
     select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'deskgraph-listen' and datname = current_database(); commit;`,
  );
  await killer.end();
  await aborted(watched.signal);
});

test('a key revoked between signing in and being watched ends at once as well', async () => {
  const { em, agent } = await setUp();
  const watch = await startWatch();
  await revokeApiKey(em(), { actor: SYSTEM, apiKeyId: agent.apiKeyId });
  using late = watch.watch(agent.session);
  await aborted(late.signal);
});

test('a session that is no longer watched costs nothing', async () => {
  const { agent } = await setUp();
  const watch = await startWatch();
  watch.watch(agent.session)[Symbol.dispose]();
  expect(watch.size).toBe(0);
});
