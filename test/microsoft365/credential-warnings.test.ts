import { afterAll, beforeAll, expect, test } from 'vitest';
import { enqueue } from '../../src/jobs/define-job.ts';
import { createWarnOfExpiry, warnOfExpiryJob } from '../../src/microsoft365/credential-expiry.jobs.ts';
import { type Clock, DAY, systemClock } from '../../src/platform/clock.ts';
import { forkAcrossOrganizations, forkFor } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { signIn } from '../access/harness.ts';
import { rowId } from '../security/filled-desk.ts';
import { openSocket } from '../security/socket.ts';
import { SLOW_MACHINE } from '../support/wait.ts';
import { type CredentialsDesk, startCredentialsDesk } from './credentials-harness.ts';

let stage: CredentialsDesk & AsyncDisposable;
beforeAll(async () => {
  // The tests look by themselves: at 23 past, a look of the process's own would have integrations in hand, which theirs pass over.
  stage = await startCredentialsDesk({ isScheduled: false });
});
afterAll(() => stage?.[Symbol.asyncDispose]());

/** An integration whose secret expires in so many days; null: nobody said. */
async function expiringIn(days: number | null): Promise<string> {
  const expiresAt = days === null ? null : new Date(systemClock.now().getTime() + days * DAY);
  const { integration } = await stage.run('createIntegration', {
    tenantId: 'contoso.example',
    clientId: crypto.randomUUID(),
    clientSecret: 'a-secret-of-the-test',
    credentialExpiresAt: expiresAt,
  });
  return integration?.id ?? '';
}

/** Runs the job as a process does whose clock says this many days later. */
async function look(daysLater: number): Promise<void> {
  const clock: Clock = { now: () => new Date(systemClock.now().getTime() + daysLater * DAY) };
  await createWarnOfExpiry({ database: stage.app.database, clock }).handle(
    {},
    {
      signal: AbortSignal.timeout(SLOW_MACHINE),
      logger: createLogger('silent'),
      attempt: 1,
      isLastAttempt: false,
    },
  );
}

async function warningsOf(id: string): Promise<number> {
  const { organizationId } = stage.desk;
  const rows = await forkFor(stage.app.database, organizationId).execute<unknown[]>(
    `select 1 from event where organization_id = ? and type = 'credential.expiring' and payload->>'integrationId' = ?`,
    [organizationId, rowId(id)],
  );
  return rows.length;
}

test('a warning 30, 7 and 1 days before it expires and when it does, each once, however many processes look', async () => {
  const id = await expiringIn(40);
  const counts: number[] = [];
  for (const daysLater of [0, 9, 10.5, 20, 33.5, 38, 39.5, 39.9, 40.5, 50]) {
    await Promise.all([look(daysLater), look(daysLater), look(daysLater)]);
    counts.push(await warningsOf(id));
  }
  expect(counts).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
});

test('an integration that was made late is warned of the nearest threshold alone', async () => {
  const id = await expiringIn(5);
  await look(0);
  await look(0);
  expect(await warningsOf(id)).toBe(1);
});

test('after a new credential the thresholds count anew', async () => {
  const id = await expiringIn(5);
  await look(0);
  const credentialExpiresAt = new Date(systemClock.now().getTime() + 20 * DAY);
  await stage.run('rotateCredential', {
    integrationId: id,
    clientSecret: 'a-newer-secret',
    credentialExpiresAt,
  });
  await look(0);
  expect(await warningsOf(id)).toBe(2);
});

test('more integrations than one transaction takes are all warned of', async () => {
  const organizationId = stage.desk.organizationId;
  const em = forkAcrossOrganizations(stage.app.database);
  await em.execute(
    `insert into integration (id, organization_id, cloud, tenant_id, client_id, authorization_mode, sealed_client_secret,
       credential_expires_at, created_at, updated_at)
     select gen_random_uuid(), ?, 'GLOBAL', 'common', n::text, 'DELEGATED', '', now() + interval '3 days', now(), now()
       from generate_series(1, 1100) n`,
    [organizationId],
  );
  await Promise.all([look(0), look(0)]);
  await look(0);
  const [row] = await em.execute<{ warned: number; events: number }[]>(
    `select (select count(*)::int from integration where tenant_id = 'common' and credential_warned_days = 7) as warned,
       (select count(distinct payload->>'integrationId')::int from event where type = 'credential.expiring'
          and payload->>'integrationId' in (select id::text from integration where tenant_id = 'common')) as events`,
  );
  expect(row).toEqual({ warned: 1100, events: 1100 });
  await em.execute(`delete from integration where tenant_id = 'common'`);
});

test.each([
  [40, null],
  [29, 'EXPIRES_WITHIN_30_DAYS'],
  [6, 'EXPIRES_WITHIN_7_DAYS'],
  [0.5, 'EXPIRES_WITHIN_1_DAY'],
  [null, null],
])('the status of a credential with %s days left is %s', async (days, warning) => {
  const id = await expiringIn(days);
  expect((await stage.integration(id))?.credential.warning).toBe(warning);
});

test('live: whoever follows the stream is told, and nobody of another organization or without the right', async () => {
  // Resumed from the beginning, so that it does not matter which comes first, the stream or the event.
  const DOCUMENT =
    'subscription { credentialExpiring(after: "MC4w") { cursor integration { id credential { warning } } } }';
  const desk = await stage.app.newDesk('Live');
  const stranger = await stage.app.newDesk('Others');
  const ids: string[] = [];
  for (const days of [0.5, 20]) {
    const { createIntegration } = await desk.request<{ createIntegration: { integration: { id: string } } }>(
      `mutation ($input: CreateIntegrationInput!) { createIntegration(input: $input) {
         ... on CreateIntegrationPayload { integration { id } } } }`,
      {
        input: {
          tenantId: 'contoso.example',
          clientId: crypto.randomUUID(),
          clientSecret: 'a-secret-of-the-test',
          credentialExpiresAt: new Date(systemClock.now().getTime() + days * DAY),
        },
      },
    );
    ids.push(createIntegration.integration.id);
  }
  const socket = openSocket(stage.app.url, desk.apiKey, DOCUMENT, {});
  const first = socket.results.next();
  const theirs = openSocket(stage.app.url, stranger.apiKey, DOCUMENT, {});
  let heard = 0;
  void theirs.results.next().then(
    () => {
      heard += 1;
    },
    () => undefined,
  );
  await enqueue(forkAcrossOrganizations(stage.app.database), warnOfExpiryJob, {});
  const told = [JSON.stringify(await first), JSON.stringify(await socket.results.next())];
  expect(told.filter((event) => event.includes(ids[0] ?? '-'))).toEqual([
    expect.stringContaining('EXPIRES_WITHIN_1_DAY'),
  ]);
  expect(told.filter((event) => event.includes(ids[1] ?? '-'))).toEqual([
    expect.stringContaining('EXPIRES_WITHIN_30_DAYS'),
  ]);
  expect(heard).toBe(0);
  const agent = await signIn(stage.app.database, desk.organizationId, 'AGENT');
  const refused = openSocket(stage.app.url, agent.secret, DOCUMENT, {});
  expect(JSON.stringify(await refused.results.next())).toMatch(/FORBIDDEN/);
  for (const { close } of [socket, theirs, refused]) close();
});
