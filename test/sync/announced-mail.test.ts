import { afterAll, beforeAll, expect, test } from 'vitest';
import { control, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import {
  type PushedMailbox,
  poll,
  pushedMailbox,
  query,
  rowsOf,
  setPush,
  startPushApp,
  subjectsOf,
  triggersOf,
  watch,
} from './push-harness.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startPushApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

const LAG_SECONDS = 600;

/** A mailbox whose delta queries lag, with a mail that was announced and that the first run did not see. */
async function laggingMailbox(subject: string): Promise<PushedMailbox & { before: number }> {
  const mailbox = await pushedMailbox(app);
  const before = (await triggersOf(app, mailbox.uuid)).length;
  await control(
    app.emulator.url,
    `mailboxes/${mailbox.address}/quirks`,
    { deltaLagMs: LAG_SECONDS * 1_000 },
    'PUT',
  );
  await deliver(app.emulator.url, { to: mailbox.address, subject });
  await awaits(mailbox, 1, 0);
  expect((await triggersOf(app, mailbox.uuid)).slice(before)).toEqual(['PUSH']);
  expect(await subjectsOf(mailbox.desk)).toEqual([]);
  return { ...mailbox, before };
}

/** Waits until so many mails are awaited, after so many looks, and nothing runs. */
const awaits = ({ uuid }: PushedMailbox, awaited: number, looks: number) =>
  eventually(`${awaited} mails are awaited after ${looks} looks`, async () => {
    const found = await query(
      app,
      `select 1 from sync_state where mailbox_id = ? and awaited = ? and looks = ? and not exists (
         select from sync_run where sync_run.mailbox_id = sync_state.mailbox_id and state in ('QUEUED', 'RUNNING'))`,
      [uuid, awaited, looks],
    );
    return found.length === 1;
  }).catch(async (error: Error) => {
    const [state] = await query(
      app,
      'select awaited, awaited_since, looks from sync_state where mailbox_id = ?',
      [uuid],
    );
    const runs = await query(
      app,
      'select trigger, state, expected, created, ignored, announced_at, created_at from sync_run where mailbox_id = ? order by created_at',
      [uuid],
    );
    throw new Error(`${error.message}; ${JSON.stringify({ state, runs })}`);
  });

const deltaCatchesUp = () => control(app.emulator.url, 'clock', { advanceSeconds: LAG_SECONDS + 1 }, 'POST');

/** When the next look is due, and how many seconds after the run that asked for it; null without one. */
async function nextLook({ uuid }: PushedMailbox): Promise<{ run_at: string; waits: number } | null> {
  const [job] = await query<{ run_at: string; waits: number }>(
    app,
    `select run_at, extract(epoch from run_at - created_at)::float as waits from graphile_worker._private_jobs
      where key = ?`,
    [`sync.look-again:${uuid}`],
  );
  return job ?? null;
}

/** The job of a look is deleted after it has asked for its run, which may be over by then. */
const noLookIsLeft = (mailbox: PushedMailbox) =>
  eventually('the look is over', async () => (await nextLook(mailbox)) === null);

const hurry = ({ uuid }: PushedMailbox) =>
  query(app, 'update graphile_worker._private_jobs set run_at = now() where key = ?', [
    `sync.look-again:${uuid}`,
  ]);

test('a delta query that does not show an announced mail yet is asked again after 3 seconds', async () => {
  const mailbox = await laggingMailbox('Late by a moment');
  expect(await nextLook(mailbox)).toMatchObject({ waits: 3 });
  await deltaCatchesUp();
  await eventually('it is a ticket', async () => (await subjectsOf(mailbox.desk)).length === 1);
  expect(new Set((await triggersOf(app, mailbox.uuid)).slice(mailbox.before))).toEqual(new Set(['PUSH']));
  await noLookIsLeft(mailbox);
});

test('and once more, 20 seconds after the notification; a poll in between puts nothing off', async () => {
  const mailbox = await laggingMailbox('Late by more');
  await hurry(mailbox);
  await awaits(mailbox, 1, 1);
  const look = await nextLook(mailbox);
  expect(look).toMatchObject({ waits: 17 });
  await poll(app, mailbox);
  await awaits(mailbox, 1, 1);
  expect(await nextLook(mailbox)).toEqual(look);
  await deltaCatchesUp();
  await hurry(mailbox);
  await eventually('it is a ticket', async () => (await subjectsOf(mailbox.desk)).length === 1);
});

test('what comes even later is found by the poll, which does not blame push for it; what then is not announced counts', async () => {
  const mailbox = await laggingMailbox('Very late');
  for (const looks of [1, 2]) {
    await hurry(mailbox);
    await awaits(mailbox, 1, looks);
  }
  await noLookIsLeft(mailbox);
  await deltaCatchesUp();
  await poll(app, mailbox);
  expect(await subjectsOf(mailbox.desk)).toEqual(['Very late']);
  const missed = async () => {
    await query(
      app,
      `update sync_run set finished_at = finished_at - interval '5 minutes' where mailbox_id = ? and state = 'SUCCEEDED'`,
      [mailbox.uuid],
    );
    await watch(app);
    return (await rowsOf(app, mailbox.uuid))[0]?.missed_count;
  };
  expect(await missed()).toBe(0);

  await setPush(app, { lossProbability: 1 });
  await control(app.emulator.url, `mailboxes/${mailbox.address}/quirks`, {}, 'PUT');
  await deliver(app.emulator.url, { to: mailbox.address, subject: 'Never announced' });
  await poll(app, mailbox);
  await setPush(app, { lossProbability: 0 });
  expect(await subjectsOf(mailbox.desk)).toEqual(['Very late', 'Never announced']);
  expect(await missed()).toBe(1);
});

test('what a killed run was expected to bring, its successor is; and the look is not asked of a mailbox that is switched off', async () => {
  const mailbox = await laggingMailbox('Killed');
  // As if a process had died in the middle of a run that was told of two more mails.
  await query(
    app,
    `insert into sync_run (id, organization_id, mailbox_id, trigger, state, announced_at, expected, created, created_at, updated_at)
     select gen_random_uuid(), organization_id, mailbox_id, 'PUSH', 'RUNNING', now(), 3, 1, now(), now()
       from sync_state where mailbox_id = ?`,
    [mailbox.uuid],
  );
  await hurry(mailbox);
  await awaits(mailbox, 3, 0);
  await mailbox.desk.request(
    `mutation ($id: ID!) { updateIncomingSettings(input: { mailboxId: $id, enabled: false }) { __typename } }`,
    { id: mailbox.mailboxId },
  );
  const runs = await triggersOf(app, mailbox.uuid);
  await hurry(mailbox);
  await noLookIsLeft(mailbox);
  expect(await triggersOf(app, mailbox.uuid)).toEqual(runs);
});
