import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

/*
 * Raw SQL is not filtered by organization: each statement says so itself, or says here why it need not.
 */

const root = resolve(import.meta.dirname, '../..');

/** Statements without an organization, by file and beginning, with the reason. */
const ACROSS: Readonly<Record<string, string>> = {
  'access/authenticate.ts update api_key set last_used_at':
    'by the id of the key that was just authenticated',
  'access/organizations.ts select pg_advisory_xact_lock': 'a lock, no row',
  'access/organizations.ts select from organization where id': 'the organization itself',
  'access/session-watch.ts select pg_notify': 'a wake-up, no row',
  'access/users.ts select from organization where id': 'the organization itself',
  'mailboxes/discover-identities.ts select clock_timestamp': 'no row',
  'microsoft365/credential-expiry.jobs.ts update integration set credential_warned_days':
    'by the ids of rows that were found by their date, of every organization',
  'microsoft365/read-budgets.ts select asked.key':
    'by digests of app, tenant and mailbox, made out of the organization’s own rows',
  'microsoft365/token-watch.ts select pg_notify': 'a wake-up, no row',
  'microsoft365/token-lock.ts select pg_advisory_xact_lock': 'a lock, no row',
  'outbound/deliver.ts select organization_id, mailbox_id, lane':
    'the clock ticks for every organization; each lane is then worked on within its own',
  'outbound/deliver.ts select id, organization_id, mailbox_id': 'likewise, for copies nobody has looked for',
  'outbound/outbound-metrics.ts select state, count': 'a figure of the installation',
  'outbound/outbox-rows.ts select clock_timestamp': 'no row',
  'outbound/queue-outbound.ts select pg_advisory_xact_lock': 'a lock, no row',
  'outbound/send-limits.ts select lower(mailbox.email_address)':
    'Exchange counts a mailbox, whichever organizations it is connected to; only the figures are shown',
  'outbound/send-limits.ts select pg_advisory_xact_lock': 'a lock, no row',
  'outbound/sweep-uploads.ts delete from upload': 'housekeeping by age, of every organization',
  'outbound/uploads.ts select pg_advisory_xact_lock': 'a lock, no row',
  'sync/filing-metrics.ts select count(*)': 'a figure of the installation',
  'sync/import-statistics.ts select from pg_stat_user_tables': 'figures of PostgreSQL about its tables',
  'sync/import-statistics.ts analyze': 'statistics of whole tables; no row is read out of it',
  'platform/database-storage.ts delete from object_chunk':
    'by the id of a content that was found in its organization',
  'platform/database-storage.ts insert into object_chunk':
    'by the id of a content that was made in its organization',
  'platform/database-storage.ts select content from object_chunk':
    'by the id of a content that was found in its organization',
  'platform/database-storage.ts select from object_chunk':
    'by the id of a content that was found in its organization',
  'platform/database-storage.ts select 1': 'no row',
  'platform/sealed-values.ts':
    'encryption keys are the installation’s: values of every organization are sealed anew',
  'outbound/mail-templates.ts select pg_advisory_xact_lock': 'a lock, no row',
  'outbound/notification-policy.ts select received_pause_minutes': 'the organization itself',
  'outbound/notification-policy.ts update organization set': 'the organization itself',
  'realtime/consumer-cursor.ts insert into event_consumer':
    'cursors are the installation’s, of no organization',
  'realtime/consumer-cursor.ts select extract(epoch':
    'how old an event is, of whatever organization; nothing of it is shown',
  'realtime/consumer-cursor.ts select transaction': 'cursors are the installation’s, of no organization',
  'realtime/consumer-cursor.ts update event_consumer': 'cursors are the installation’s, of no organization',
  'realtime/event-log.ts delete from': 'rows that another cluster left, of whatever organization',
  'realtime/event-log.ts select ${COLUMNS}, transaction <':
    'the one reader of the process, which hands each event to its own organization',
  'realtime/event-log.ts select pg_snapshot_xmin': 'no row',
  'realtime/event-log.ts select pid': 'connections of the server, no row of ours',
  'server/health.ts select 1': 'no row',
  'sync/push-metrics.ts select state, count(*)': 'figures of the server, which say nothing of whose they are',
  'sync/push-notifications.ts select from push_subscription where id in':
    'locks rows that were found by their secret',
  'sync/push-notifications.ts update push_subscription set':
    'by the ids of rows that were found by their secret',
  'sync/push-orphans.ts select ( select coalesce':
    'what Microsoft lists for an account may be known to another organization that connected the same tenant',
  'sync/push-orphans.ts select coalesce':
    'which subscriptions at Microsoft are anybody’s; nothing of it is shown',
  'sync/reconcile-due-mailboxes.ts delete from reconciliation': 'housekeeping by age, of every organization',
  'sync/request-reconciliation.ts select ${liveJobExists':
    'whether the job waits of a mailbox that was found in its organization; no row of ours',
  'sync/watch-push.ts delete from push_subscription': 'housekeeping by age, of every organization',
  'ticketing/mail-settings.ts select copy_policy': 'the organization itself',
  'ticketing/mail-settings.ts update organization set': 'the organization itself',
  'ticketing/stored-contents.ts select pg_advisory_xact_lock': 'a lock, no row',
  'ticketing/sweep-contents.ts select id from stored_content': 'housekeeping of every organization',
  'ticketing/sweep-contents.ts update stored_content set is_released':
    'by the ids of rows that the same transaction has found',
  'ticketing/ticket-number.ts': 'the organization itself',
};

const STATEMENT = /\.execute(?:<[^(]*?>)?\(\s*(`[^`]*`|'[^'\n]*')/g;

const statements = globSync('**/*.ts', { cwd: resolve(root, 'src') })
  .filter((file) => !file.startsWith('emulator'))
  .flatMap((file) => {
    const source = readFileSync(resolve(root, 'src', file), 'utf8');
    return [...source.matchAll(STATEMENT)].map(([, sql = '']) => ({
      file,
      sql: sql.slice(1, -1).replace(/\s+/g, ' ').trim(),
    }));
  });

test('there are statements to be looked at (a control)', () => {
  expect(statements.length).toBeGreaterThan(30);
});

test.each(statements)('$file: $sql', ({ file, sql }) => {
  const isExplained = Object.keys(ACROSS).some((start) => `${file} ${sql}`.startsWith(start));
  const names = /organization_id|graphile_worker/.test(sql);
  expect({ sql, isScoped: names || isExplained }).toEqual({ sql, isScoped: true });
});

test.each(statements)('$file takes values as parameters only: $sql', ({ sql }) => {
  // What is put into the text is a constant of ours: in capitals, the name of a table from a list in
  // the same file, or a function of literals.
  for (const [, expression] of sql.matchAll(/\$\{([^}]*)\}/g))
    expect(expression).toMatch(/^([A-Z][A-Z_]*|table|\w+\(('[^']*'(, )?)*\))$/);
});
