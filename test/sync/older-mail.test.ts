import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { type PushedMailbox, pushedMailbox, query, startPushApp, subjectsOf } from './push-harness.ts';
import { minutesAgo, reconcile } from './reconcile-harness.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startPushApp({}, { isScheduled: false });
});
afterAll(() => app?.[Symbol.asyncDispose]());

const DAY_IN_MINUTES = 24 * 60;

/** Somebody moves a mail that is days old into the watched folder: it appears there now, and was received then. */
async function dragIn(mailbox: PushedMailbox, subject: string, daysOld: number): Promise<void> {
  const told = async () => {
    const [row] = await query<{ told: number }>(
      app,
      `select count(*)::int as told from sync_run where mailbox_id = ? and announced_at is not null and state = 'SUCCEEDED'`,
      [mailbox.uuid],
    );
    return row?.told ?? 0;
  };
  const before = await told();
  const receivedDateTime = minutesAgo(daysOld * DAY_IN_MINUTES);
  await deliver(app.emulator.url, { to: mailbox.address, subject, receivedDateTime });
  await eventually('Microsoft announces it, and the folder is read', async () => (await told()) > before);
}

const receivesSince = ({ uuid }: PushedMailbox, days: number) =>
  query(app, `update mailbox set receive_from = now() - ? * interval '1 day' where id = ?`, [days, uuid]);

test('mail from before incoming mail was enabled is left alone when somebody moves it in later, also though Microsoft announces it', async () => {
  const mailbox = await pushedMailbox(app);
  await dragIn(mailbox, 'From long ago', 3);
  expect(await reconcile(mailbox)).toMatchObject({ state: 'SUCCEEDED', listed: 0, missing: 0 });
  expect(await subjectsOf(mailbox.desk)).toEqual([]);
  const ledger = await query(app, 'select 1 from inbound_message where mailbox_id = ?', [mailbox.uuid]);
  expect(ledger).toEqual([]);
});

test('mail from after that is a ticket at once', async () => {
  const mailbox = await pushedMailbox(app);
  await receivesSince(mailbox, 30);
  await query(app, 'update sync_state set cursor = null, covered_until = null where mailbox_id = ?', [
    mailbox.uuid,
  ]);
  await mailbox.desk.sync(mailbox.mailboxId);
  await dragIn(mailbox, 'From some days ago', 3);
  expect(await subjectsOf(mailbox.desk)).toEqual(['From some days ago']);
});

test('where the folder had to be read anew since, from a later time, the next reconciliation takes it in', async () => {
  const mailbox = await pushedMailbox(app);
  await receivesSince(mailbox, 30);
  // As after a bookmark that has expired.
  await query(app, 'update sync_state set cursor = null where mailbox_id = ?', [mailbox.uuid]);
  await mailbox.desk.sync(mailbox.mailboxId);
  await dragIn(mailbox, 'Behind the bookmark', 3);
  expect(await subjectsOf(mailbox.desk)).toEqual([]);
  expect(await reconcile(mailbox)).toMatchObject({ listed: 1, missing: 1, repaired: 1 });
  expect(await subjectsOf(mailbox.desk)).toEqual(['Behind the bookmark']);
});
