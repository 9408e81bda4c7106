import { afterAll, beforeAll, expect, test } from 'vitest';
import { subscribeOverSocket } from '../server/harness.ts';
import { createDesk, type Desk, freePort } from '../support/app.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { deliver } from '../support/mail.ts';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';
import { eventually } from '../support/wait.ts';
import { statusOf } from '../sync/push-harness.ts';
import { type EmulatorProcess, startEmulatorProcess } from './emulator-process.ts';
import { rows, runsOf } from './harness.ts';
import { collectTickets, pushedMailbox, TICKET_CREATED, told } from './push-fleet.ts';

const ADMIN_KEY = 'dg_outside-admin-key-0123456789abcdefghi';
/** For one of them: far from the hour after which the folder is polled. */
const DEADLINE_MILLISECONDS = 10_000;
/** What is promised, for the usual one: a machine that is busy with other tests makes single ones slow. */
const MOST_MEDIAN_MILLISECONDS = 1_000;

let db: TestDatabase;
let emulator: EmulatorProcess;
let server: ServerProcess;
let desk: Desk;
beforeAll(async () => {
  db = await cloneDatabase();
  emulator = await startEmulatorProcess(await freePort());
  const port = await freePort();
  server = await startServerProcess({
    PORT: String(port),
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    DATABASE_URL: db.url,
    DESKGRAPH_ENCRYPTION_KEYS: `test:${Buffer.alloc(32, 7).toString('base64')}`,
    DESKGRAPH_ADMIN_KEY: ADMIN_KEY,
    MICROSOFT_LOGIN_URL: emulator.loginUrl,
    MICROSOFT_GRAPH_URL: emulator.graphUrl,
    LOG_LEVEL: 'warn',
  });
  const [organization] = await rows<{ id: string }>(db, 'select id from organization');
  desk = createDesk(server.url, emulator, organization?.id ?? '', ADMIN_KEY);
});
afterAll(async () => {
  await server?.stop();
  await emulator?.[Symbol.asyncDispose]();
  await db?.[Symbol.asyncDispose]();
});

test('an emulator and a server, each a process of its own: a delivered mail is a ticketCreated event at a WebSocket client in under a second, although the folder is polled once an hour', async () => {
  const { mailboxId, address } = await pushedMailbox(db, desk, { intervalMinutes: 'MINUTES_60' });
  const [stream = []] = await collectTickets(desk, [
    subscribeOverSocket(server.url, desk.apiKey, TICKET_CREATED),
  ]);
  const before = (await runsOf(db, mailboxId)).length;
  const elapsed: number[] = [];
  for (let index = 0; index < 10; index += 1) {
    const deliveredAt = performance.now();
    await deliver(emulator.url, { to: address, subject: `Mail ${index}` });
    await eventually('the ticket is told', () => told(stream).length > index, DEADLINE_MILLISECONDS);
    elapsed.push(performance.now() - deliveredAt);
  }
  expect(told(stream)).toEqual(Array.from({ length: 10 }, (_, index) => `Mail ${index}`));
  const runs = (await runsOf(db, mailboxId)).slice(before);
  expect(new Set(runs.map(({ trigger }) => trigger))).toEqual(new Set(['PUSH']));
  const milliseconds = elapsed.map(Math.round).sort((a, b) => a - b);
  process.stdout.write(`delivered → ticketCreated, ms: ${milliseconds.join(' ')}\n`);
  expect(milliseconds[Math.floor(milliseconds.length / 2)]).toBeLessThan(MOST_MEDIAN_MILLISECONDS);

  const status = await statusOf(desk, mailboxId);
  expect(status).toMatchObject({
    delivery: 'PUSH',
    deliveryReason: expect.stringContaining('every 60 min'),
    pushSubscription: { state: 'ACTIVE', missedCount: 0, problem: null },
  });
  const { expiresAt, lastNotificationAt } = status.pushSubscription ?? {};
  const now = performance.timeOrigin + performance.now();
  expect(Date.parse(expiresAt ?? '')).toBeGreaterThan(now + 24 * 3_600_000);
  expect(Date.parse(lastNotificationAt ?? '')).toBeGreaterThan(now - 10 * 60_000);
});
