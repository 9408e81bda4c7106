import { afterAll, beforeAll, expect, test } from 'vitest';
import { Mailbox } from '../../src/mailboxes/mailbox.entity.ts';
import { createMicrosoft365 } from '../../src/microsoft365/create-microsoft365.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { forkFor } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createSecretBox } from '../../src/platform/secrets.ts';
import { removeOrphans } from '../../src/sync/push-orphans.ts';
import { control } from '../support/app.ts';
import { deliver, foldersOf } from '../support/mail.ts';
import { eventually, SLOW_MACHINE } from '../support/wait.ts';
import { startPushApp, statusBecomes, subscriptionsAtMicrosoft } from '../sync/push-harness.ts';
import { type AccessDesk, startAccessDesk, subjectsOf } from './access-harness.ts';

let stage: AccessDesk;
let tenant: { accountId: string; integrationId: string; clientId: string };
beforeAll(async () => {
  // Nothing looks after subscriptions at the full minute: one test takes their ids away.
  stage = await startAccessDesk(() => startPushApp({}, { isScheduled: false }));
  tenant = await stage.connectTenant();
});
afterAll(() => stage?.app[Symbol.asyncDispose]());

const add = (emailAddress: string, accountId = tenant.accountId) =>
  stage.run('addSharedMailbox', { accountId, emailAddress });

test('application mode: any mailbox of the tenant, announced by push, read by delta, archived, without anybody signing in', async () => {
  const address = await stage.newMailbox({ kind: 'shared', displayName: 'Help at Contoso' });
  const { mailbox } = await add(address);
  expect(mailbox).toMatchObject({
    kind: 'TENANT',
    emailAddress: address,
    displayName: 'Help at Contoso',
    account: { id: tenant.accountId },
  });
  const mailboxId = mailbox?.id ?? '';
  await stage.desk.enable(mailboxId, { afterProcessing: 'ARCHIVE', archiveFolderId: 'archive' });
  await statusBecomes(stage.desk, mailboxId, 'push stands', ({ delivery }) => delivery === 'PUSH');
  await deliver(stage.app.emulator.url, {
    to: address,
    subject: `Announced to ${address}`,
    attachments: [{ name: 'a.txt', contentType: 'text/plain', contentBytes: 'aGVsbG8=' }],
  });
  // Nobody asks for a sync: the notification does.
  await eventually('the ticket is there', async () =>
    (await subjectsOf(stage.desk)).includes(`Announced to ${address}`),
  );
  await eventually('the mail is archived', async () => {
    const folders = await foldersOf(stage.app.emulator.url, address);
    return folders.get('Archive')?.includes(`Announced to ${address}`) && folders.get('Inbox')?.length === 0;
  });
  const { operations } = await control<{ operations: Record<string, number> }>(
    stage.app.emulator.url,
    `requests?mailbox=${address}`,
  );
  expect(Object.keys(operations)).toContain('GET /users/{id}/mailFolders/{id}/messages/delta');
  expect(Object.keys(operations).filter((name) => name.includes(' /me'))).toEqual([]);
});

test('removed, its subscription ends with the token of the app; added again by an alias it is the same mailbox', async () => {
  const alias = `alias-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
  const address = await stage.newMailbox({ aliases: [alias] });
  const { mailbox } = await add(alias);
  expect(mailbox).toMatchObject({ emailAddress: address });
  const mailboxId = mailbox?.id ?? '';
  await stage.desk.enable(mailboxId);
  await statusBecomes(stage.desk, mailboxId, 'push stands', ({ delivery }) => delivery === 'PUSH');
  const before = await subscriptionsAtMicrosoft(stage.app);
  await stage.run('removeMailbox', { mailboxId });
  await eventually(
    'the subscription is gone',
    async () => (await subscriptionsAtMicrosoft(stage.app)).length === before.length - 1,
  );
  expect((await add(alias)).mailbox).toMatchObject({ id: mailboxId, removedAt: null });
});

test('what does not work has the same answers as for people, and asks no group when nobody can be asked', async () => {
  expect(await add('nobody-there@contoso.example')).toMatchObject({ code: 'MAILBOX_NOT_FOUND' });
  expect(await add('nora@contoso.example')).toMatchObject({ code: 'MAILBOX_NOT_ENABLED' });
  expect(await add('helpdesk@fabrikam.example')).toMatchObject({ code: 'MAILBOX_NOT_FOUND' });
});

test('somebody who signs in leaves a mailbox of the application with it; the account has none then', async () => {
  const address = await stage.newMailbox();
  const { mailbox } = await add(address);
  const { accountId } = await stage.connect(address, 'MAIL');
  const view = (await stage.mailboxes()).find(({ id }) => id === mailbox?.id);
  expect(view).toMatchObject({ kind: 'TENANT', account: { id: tenant.accountId } });
  expect(await stage.run('addSharedMailbox', { accountId, emailAddress: address })).toMatchObject({
    code: 'ALREADY_CONNECTED',
    message: expect.stringContaining('contoso.example'),
  });
});

test("a person's mailbox can be handed to the application: removed there, added here, with its settings", async () => {
  const address = await stage.newMailbox();
  await stage.connect(address, 'MAIL');
  const own = (await stage.mailboxes()).find(({ emailAddress }) => emailAddress === address);
  await stage.desk.enable(own?.id ?? '');
  await deliver(stage.app.emulator.url, { to: address, subject: `First ${address}` });
  await stage.desk.sync(own?.id ?? '');
  expect(await add(address)).toMatchObject({
    code: 'ALREADY_CONNECTED',
    message: expect.stringContaining(address),
  });
  await stage.run('removeMailbox', { mailboxId: own?.id });
  expect((await add(address)).mailbox).toMatchObject({ id: own?.id, kind: 'TENANT' });
  await stage.desk.enable(own?.id ?? '');
  await deliver(stage.app.emulator.url, { to: address, subject: `Second ${address}` });
  await stage.desk.sync(own?.id ?? '');
  expect((await subjectsOf(stage.desk)).filter((subject) => subject.endsWith(address))).toEqual([
    `First ${address}`,
    `Second ${address}`,
  ]);
});

test('looking for forgotten subscriptions of one mailbox leaves alone what is being made for another one of the tenant', async () => {
  const [first, second] = [await stage.newMailbox(), await stage.newMailbox()];
  for (const address of [first, second]) {
    const { mailbox } = await add(address);
    await stage.desk.enable(mailbox?.id ?? '');
    await statusBecomes(stage.desk, mailbox?.id ?? '', 'push stands', ({ delivery }) => delivery === 'PUSH');
  }
  const microsoft365 = createMicrosoft365({
    database: stage.app.database,
    secretBox: createSecretBox([{ name: 'test', key: Buffer.alloc(32, 7) }]),
    logger: createLogger('silent'),
    clock: systemClock,
    publicUrl: stage.app.url,
    loginUrl: stage.app.emulator.loginUrl,
    graphUrl: stage.app.emulator.graphUrl,
    onConnected: async () => undefined,
  });
  const em = forkFor(stage.app.database, stage.desk.organizationId);
  const mailbox = await em.findOneOrFail(Mailbox, { emailAddress: first });
  // Of these two alone: those of the mailboxes that other tests removed are ended in the background.
  const ours = await em.execute<{ id: string }[]>(
    `select graph_subscription_id as id from push_subscription where replaced_at is null
       and mailbox_id in (select id from mailbox where email_address in (?, ?))`,
    [first, second],
  );
  expect(ours).toHaveLength(2);
  const notificationUrl = `${stage.app.url}/webhooks/microsoft-graph`;
  const look = () =>
    removeOrphans(
      { database: stage.app.database, push: microsoft365.push },
      mailbox,
      notificationUrl,
      AbortSignal.timeout(SLOW_MACHINE),
    );
  // Microsoft has made it, and our row does not know its id yet.
  const forget = (address: string) =>
    em.execute(
      `update push_subscription set graph_subscription_id = null, state = 'CREATING'
        where mailbox_id = (select id from mailbox where email_address = ?)`,
      [address],
    );
  // A job that takes its last look would find what is taken away below.
  await eventually('nobody is busy with the two subscriptions', async () => {
    const busy = await em.execute(
      `select 1 from graphile_worker._private_jobs as job
         join graphile_worker._private_tasks as task on task.id = job.task_id
        where task.identifier in ('sync.manage-push', 'sync.wake-push')
          and (job.locked_at is not null or job.run_at < now() + interval '1 minute')
          and job.payload->>'mailboxId' in (select id::text from mailbox where email_address in (?, ?))`,
      [first, second],
    );
    return busy.length === 0;
  });
  await forget(second);
  expect(await look()).toBe(0);
  expect(await subscriptionsAtMicrosoft(stage.app)).toEqual(expect.arrayContaining(ours.map(({ id }) => id)));
  // Its own is found.
  await forget(first);
  expect(await look()).toBe(1);
});
