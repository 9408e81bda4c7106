import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { overhear } from '../security/overheard.ts';
import { control, createDesk, startTestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { anotherProcess } from './administrator.ts';

/* The row of the table "Connect" that is about keys: it takes an installation of its own, of several processes. */

test('Tokens and secrets encrypted at rest, with key rotation; never logged', async () => {
  const OLD = `test:${Buffer.alloc(32, 7).toString('base64')}`;
  const NEW = `next:${randomBytes(32).toString('base64')}`;
  const log: string[] = [];
  const logger = createLogger('trace', { write: (line) => void log.push(line) });
  await using first = await startTestApp({}, { env: { DESKGRAPH_ROLES: 'api' }, logger });
  using overheard = overhear(first.url);
  const worker = await anotherProcess(first, { DESKGRAPH_ROLES: 'worker' }, logger);
  const desk = await first.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  await worker[Symbol.asyncDispose]();

  // Everything that the installation has written down: all tables and the log.
  const em = forkAcrossOrganizations(first.database);
  const tables = await em.execute<{ name: string }[]>(
    `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
      where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`,
  );
  let written = '';
  for (const { name } of tables) {
    const rows = await em.execute<{ row: string }[]>(`select to_jsonb(t)::text as row from ${name} t`);
    written += rows.map(({ row }) => row).join('\n');
  }
  expect(written).toContain(address);
  expect(log.join('')).toContain('/graphql');
  const secrets = ['client_secret', 'access_token', 'refresh_token'].map((kind) => [
    ...(overheard.secrets.get(kind) ?? []),
  ]);
  for (const values of secrets) expect(values.length).toBeGreaterThan(0);
  for (const secret of secrets.flat()) {
    expect(written.includes(secret)).toBe(false);
    expect(log.some((line) => line.includes(secret))).toBe(false);
  }

  // A new key goes before the old one, which may be taken away once it seals nothing.
  const both = { DESKGRAPH_ENCRYPTION_KEYS: `${NEW},${OLD}`, DESKGRAPH_ROLES: 'api,worker' };
  const rotating = await anotherProcess(first, both, logger);
  await eventually('the old key seals nothing', async () =>
    /deskgraph_sealed_values\{key="test"\} 0/.test(await (await fetch(`${rotating.url}/metrics`)).text()),
  );
  await rotating[Symbol.asyncDispose]();
  await using alone = await anotherProcess(first, { ...both, DESKGRAPH_ENCRYPTION_KEYS: NEW }, logger);
  await control(first.emulator.url, 'tokens/expire', { address });
  await deliver(first.emulator.url, { to: address, subject: 'Under the new key' });
  const next = createDesk(alone.url ?? '', first.emulator, desk.organizationId, desk.apiKey);
  expect(await next.sync(mailboxId)).toMatchObject({ state: 'SUCCEEDED', created: 1 });
});
