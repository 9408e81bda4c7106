import { expect, test } from 'vitest';
import { createOrganization } from '../../src/access/organizations.ts';
import { startEmulator } from '../../src/emulator/emulator.ts';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { createDesk, freePort } from '../support/app.ts';
import { cloneDatabase } from '../support/database.ts';
import { startServerProcess } from '../support/server-process.ts';
import { runMalformed } from './malformed-run.ts';

/** `node test/reliability/malformed-main.ts --count 10000 --seed 1` runs more of them. */
const COUNT = 250;
const SEED = 20_261_121;

test('hundreds of malformed mails: each has its one outcome and can be read, nothing is half there, the process lives', async () => {
  await using db = await cloneDatabase();
  const emulator = await startEmulator();
  const server = await startServerProcess({
    PORT: String(await freePort()),
    DATABASE_URL: db.url,
    DESKGRAPH_ENCRYPTION_KEYS: `test:${Buffer.alloc(32, 7).toString('base64')}`,
    DESKGRAPH_ADMIN_KEY: 'dg_test-admin-key-4pTq0vXw7LzR2mKd9sYbHc6NfJ',
    MICROSOFT_LOGIN_URL: emulator.loginUrl,
    MICROSOFT_GRAPH_URL: emulator.graphUrl,
    LOG_LEVEL: 'error',
  });
  try {
    const { organization, secret } = await createOrganization(forkAcrossOrganizations(db.database), 'Desk');
    const desk = createDesk(server.url, emulator, organization.id, secret);
    const report = await runMalformed({
      desk,
      emulatorUrl: emulator.url,
      url: server.url,
      count: COUNT,
      seed: SEED,
    });
    expect(report.faults).toEqual([]);
    expect(report.delivered).toBe(COUNT);
    expect(report.outcomes['TICKET_CREATED NEW_CONVERSATION']).toBeGreaterThan(COUNT / 2);
    expect(report.peakBytes).toBeLessThan(1_000 * 2 ** 20);
    expect(server.child.exitCode).toBeNull();
    expect(server.output()).not.toMatch(/"level":(?:50|60)/);
    const [broken] = await forkAcrossOrganizations(db.database).execute<Record<string, number>[]>(
      `select (select count(*)::int from ticket where not exists (select from message where ticket_id = ticket.id)) as empty,
         (select count(*)::int from message where kind = 'INBOUND' and not exists (
            select from inbound_message where message_id = message.id)) as unaccounted,
         (select max(next_ticket_number)::int - 1 from organization) - (select max(number)::int from ticket) as gap`,
    );
    expect(broken).toEqual({ empty: 0, unaccounted: 0, gap: 0 });
  } finally {
    await server.stop();
    await emulator.close();
  }
}, 180_000);
