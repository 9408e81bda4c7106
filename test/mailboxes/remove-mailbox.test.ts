import { afterAll, beforeAll, expect, test } from 'vitest';
import { archiveMailJob } from '../../src/sync/sync.jobs.ts';
import { rowId } from '../security/filled-desk.ts';
import { control } from '../support/app.ts';
import { type GraphWay, startGraphWay } from '../support/graph-way.ts';
import { deliver, foldersOf } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { query, startPushApp, statusBecomes, subscriptionsAtMicrosoft } from '../sync/push-harness.ts';
import { type AccessDesk, startAccessDesk, subjectsOf } from './access-harness.ts';

let graph: GraphWay;
let stage: AccessDesk;
beforeAll(async () => {
  graph = await startGraphWay();
  stage = await startAccessDesk(() => startPushApp({ MICROSOFT_GRAPH_URL: graph.url }));
  graph.target = stage.app.emulator.graphUrl;
});
afterAll(async () => {
  await stage?.app[Symbol.asyncDispose]();
  await graph?.[Symbol.asyncDispose]();
});

const remove = (mailboxId: string) => stage.run('removeMailbox', { mailboxId });

interface Ledger {
  inboundMessages: {
    edges: {
      node: { subject: string; outcome: string; mailbox: { id: string; removedAt: string | null } };
    }[];
  };
}

const ledgerOf = async (mailboxId: string) => {
  const { inboundMessages } = await stage.desk.request<Ledger>(
    `query ($filter: InboundMessageFilter) { inboundMessages(first: 100, filter: $filter) {
       edges { node { subject outcome mailbox { id removedAt } } } } }`,
    { filter: { mailboxId } },
  );
  return inboundMessages.edges.map(({ node }) => node);
};

/** A mailbox of its own account with push, and one mail that became a ticket. */
async function workingMailbox(settings: Record<string, unknown> = {}) {
  const address = await stage.newMailbox();
  const { accountId } = await stage.connect(address);
  const mailboxId = (await stage.mailboxes()).find(({ emailAddress }) => emailAddress === address)?.id ?? '';
  await stage.desk.enable(mailboxId, settings);
  await statusBecomes(stage.desk, mailboxId, 'push stands', ({ delivery }) => delivery === 'PUSH');
  await deliver(stage.app.emulator.url, { to: address, subject: `Before ${address}` });
  await stage.desk.sync(mailboxId);
  return { address, accountId, mailboxId };
}

test('removeMailbox ends the subscription at Microsoft and the sync; ticket, message and ledger stay readable', async () => {
  const { address, mailboxId } = await workingMailbox();
  const before = await subscriptionsAtMicrosoft(stage.app);
  const { mailbox } = await remove(mailboxId);
  expect(mailbox).toMatchObject({
    id: mailboxId,
    removedAt: expect.any(String),
    incoming: { enabled: false },
  });
  expect((await stage.mailboxes()).map(({ id }) => id)).not.toContain(mailboxId);
  await eventually('the subscription is gone at Microsoft', async () => {
    return (await subscriptionsAtMicrosoft(stage.app)).length === before.length - 1;
  });
  await expect(stage.desk.sync(mailboxId)).rejects.toThrow('not found');
  await deliver(stage.app.emulator.url, { to: address, subject: `After ${address}` });
  expect(await ledgerOf(mailboxId)).toEqual([
    {
      subject: `Before ${address}`,
      outcome: 'TICKET_CREATED',
      mailbox: { id: mailboxId, removedAt: mailbox?.removedAt },
    },
  ]);
  expect(await subjectsOf(stage.desk)).toContain(`Before ${address}`);
  const { node } = await stage.desk.request<{ node: { syncStatus: { state: string } } }>(
    'query ($id: ID!) { node(id: $id) { ... on Mailbox { syncStatus { state } } } }',
    { id: mailboxId },
  );
  expect(node.syncStatus.state).toBe('DISABLED');
});

test('removing it twice is the same, also at once', async () => {
  const { mailboxId } = await workingMailbox();
  const answers = await Promise.all([remove(mailboxId), remove(mailboxId)]);
  const first = answers[0]?.mailbox?.removedAt;
  expect(first).toBeTypeOf('string');
  expect((await remove(mailboxId)).mailbox?.removedAt).toBe(first);
  expect(answers[1]?.mailbox?.removedAt).toBe(first);
});

test('a removed mailbox is not found by what changes mailboxes', async () => {
  const { mailboxId } = await workingMailbox();
  await remove(mailboxId);
  await expect(stage.desk.enable(mailboxId)).rejects.toThrow('The mailbox was not found.');
  expect(await stage.run('createMailFolder', { mailboxId, displayName: 'x' })).toMatchObject({
    code: 'NOT_FOUND',
  });
  expect(await stage.run('verifyMailboxAccess', { mailboxId })).toMatchObject({ code: 'NOT_FOUND' });
});

test('added again it is the same mailbox with its settings, switched off; switched on, no mail is taken in twice', async () => {
  const { address, accountId, mailboxId } = await workingMailbox({ createTickets: true });
  await remove(mailboxId);
  const { mailbox } = await stage.run('addSharedMailbox', { accountId, emailAddress: address });
  expect(mailbox).toMatchObject({
    id: mailboxId,
    removedAt: null,
    kind: 'PRIMARY',
    incoming: { enabled: false },
  });
  await stage.desk.enable(mailboxId);
  await deliver(stage.app.emulator.url, { to: address, subject: `Again ${address}` });
  await stage.desk.sync(mailboxId);
  const subjects = (await subjectsOf(stage.desk)).filter((subject) => subject.endsWith(address));
  expect(subjects).toEqual([`Again ${address}`, `Before ${address}`]);
  expect((await ledgerOf(mailboxId)).map(({ subject }) => subject).sort()).toEqual(subjects);
  await statusBecomes(stage.desk, mailboxId, 'push stands again', ({ delivery }) => delivery === 'PUSH');
});

test('signing in again with its account leaves it removed; another account may take it over, and mail is not doubled', async () => {
  const { address, mailboxId } = await workingMailbox();
  const { integrationId } = await stage.connect(address);
  await remove(mailboxId);
  const view = async () => (await stage.mailboxes()).find(({ id }) => id === mailboxId);
  // The account that read it last is the newest one.
  await stage.connect(address, 'MAIL', integrationId);
  expect(await view()).toBeUndefined();

  const agent = await stage.newMailbox();
  await stage.exchange(`mailboxes/${address}`, { fullAccess: [agent] }, 'PATCH');
  const { accountId } = await stage.connect(agent);
  const { mailbox } = await stage.run('addSharedMailbox', { accountId, emailAddress: address });
  expect(mailbox).toMatchObject({ id: mailboxId, kind: 'SHARED', account: { id: accountId } });
  await stage.desk.enable(mailboxId);
  await deliver(stage.app.emulator.url, { to: address, subject: `Through an agent ${address}` });
  await stage.desk.sync(mailboxId);
  expect((await subjectsOf(stage.desk)).filter((subject) => subject.endsWith(address))).toEqual([
    `Before ${address}`,
    `Through an agent ${address}`,
  ]);
});

test("a mailbox that goes over from its own account to another one is not read at the other one's Inbox", async () => {
  // The bookmark of a PRIMARY mailbox names `/me`: whoever follows it reads their own mail.
  const { address, mailboxId } = await workingMailbox();
  const agent = await stage.newMailbox();
  await stage.exchange(`mailboxes/${address}`, { fullAccess: [agent] }, 'PATCH');
  const { accountId } = await stage.connect(agent);
  const em = stage.app.database.em.fork();
  const [{ id: accountRow } = { id: '' }] = await em.execute<{ id: string }[]>(
    'select id from account where email_address = ?',
    [agent],
  );
  await em.execute(`update mailbox set kind = 'SHARED', account_id = ? where email_address = ?`, [
    accountRow,
    address,
  ]);
  expect(accountId).toBeTruthy();
  await deliver(stage.app.emulator.url, { to: agent, subject: `Private ${agent}` });
  await deliver(stage.app.emulator.url, { to: address, subject: `Ours ${address}` });
  await stage.desk.sync(mailboxId);
  const subjects = await subjectsOf(stage.desk);
  expect(subjects).toContain(`Ours ${address}`);
  expect(subjects).not.toContain(`Private ${agent}`);
});

test('mail that waits to be archived is no longer wanted elsewhere once the mailbox is removed', async () => {
  const { address, mailboxId } = await workingMailbox();
  // More than anybody waits for: the job is put off.
  await control(stage.app.emulator.url, 'faults', {
    pathPattern: '/move$',
    mailbox: address,
    status: 429,
    retryAfterSeconds: 120,
  });
  await stage.desk.enable(mailboxId, { afterProcessing: 'ARCHIVE', archiveFolderId: 'archive' });
  await deliver(stage.app.emulator.url, { to: address, subject: `Waiting ${address}` });
  await stage.desk.sync(mailboxId);
  const states = () =>
    query<{ archive_state: string }>(
      stage.app,
      `select archive_state from inbound_message join mailbox on mailbox.id = inbound_message.mailbox_id
        where email_address = ? order by inbound_message.id`,
      [address],
    );
  expect((await states()).map((row) => row.archive_state)).toEqual(['NOT_WANTED', 'DUE']);
  // One that has read what is due, and is about to move it, would move it once the fault is gone.
  await eventually('the job was refused, and is put off', async () => {
    const jobs = await query<{ is_put_off: boolean }>(
      stage.app,
      `select job.locked_at is null and job.run_at > now() + interval '1 minute' as is_put_off
         from graphile_worker._private_jobs as job
         join graphile_worker._private_tasks as task on task.id = job.task_id
        where task.identifier = ? and job.payload->>'mailboxId' = ?`,
      [archiveMailJob.name, rowId(mailboxId)],
    );
    return jobs.length > 0 && jobs.every((job) => job.is_put_off);
  });
  await remove(mailboxId);
  expect((await states()).map((row) => row.archive_state)).toEqual(['NOT_WANTED', 'NOT_WANTED']);
  await control(stage.app.emulator.url, 'faults', undefined, 'DELETE');
  const folders = await foldersOf(stage.app.emulator.url, address);
  expect(folders.get('Inbox')?.sort()).toEqual([`Before ${address}`, `Waiting ${address}`]);
});

test('a run that is under way when its mailbox is removed takes nothing in any more, and one that waits is ended', async () => {
  const { address, mailboxId } = await workingMailbox();
  await control(stage.app.emulator.url, 'push', { paused: true });
  const held = graph.hold(/\/messages\/delta/);
  await deliver(stage.app.emulator.url, { to: address, subject: `Late ${address}` });
  const run = () =>
    stage.desk.request(`mutation ($id: ID!) { runSyncNow(input: { mailboxId: $id }) { __typename } }`, {
      id: mailboxId,
    });
  const states = async () =>
    (
      await query<{ state: string }>(
        stage.app,
        `select sync_run.state from sync_run join mailbox on mailbox.id = sync_run.mailbox_id
          where email_address = ? and sync_run.state in ('QUEUED', 'RUNNING')`,
        [address],
      )
    ).map(({ state }) => state);
  await run();
  await eventually('a run has asked Microsoft', () => held.count > 0);
  await run();
  expect((await states()).sort()).toEqual(['QUEUED', 'RUNNING']);
  await remove(mailboxId);
  expect(await states()).not.toContain('QUEUED');
  held.release();
  await eventually('the run has ended', async () => (await states()).length === 0);
  await control(stage.app.emulator.url, 'push', { paused: false });
  expect(await subjectsOf(stage.desk)).not.toContain(`Late ${address}`);
  expect((await ledgerOf(mailboxId)).map(({ subject }) => subject)).toEqual([`Before ${address}`]);
});

test('it is removed as well when Microsoft lets nobody end the subscription, or the account can no longer act', async () => {
  const refused = await workingMailbox();
  const lost = await workingMailbox();
  await stage.exchange('tokens/revoke', { address: lost.address, accessTokensToo: true });
  await control(stage.app.emulator.url, 'faults', {
    method: 'DELETE',
    pathPattern: '/subscriptions/',
    caller: refused.address,
    status: 403,
  });
  for (const { address, mailboxId } of [refused, lost]) {
    expect((await remove(mailboxId)).mailbox).toMatchObject({ removedAt: expect.any(String) });
    await eventually('our side of the subscription has ended', async () => {
      const open = await query(
        stage.app,
        `select 1 from push_subscription join mailbox on mailbox.id = push_subscription.mailbox_id
          where email_address = ? and replaced_at is null`,
        [address],
      );
      return open.length === 0;
    });
  }
  await control(stage.app.emulator.url, 'faults', undefined, 'DELETE');
});

test('lists of accounts and integrations leave out removed mailboxes, for one of them and for many', async () => {
  const kept = await workingMailbox();
  const gone = await workingMailbox();
  await remove(gone.mailboxId);
  const addresses = (edges: { node: { emailAddress: string } }[]) =>
    edges.map(({ node }) => node.emailAddress);
  interface Listed {
    mailboxes: { edges: { node: { emailAddress: string } }[] };
  }
  const one = await stage.desk.request<{ node: Listed }>(
    'query ($id: ID!) { node(id: $id) { ... on Account { mailboxes { edges { node { emailAddress } } } } } }',
    { id: gone.accountId },
  );
  expect(one.node.mailboxes.edges).toEqual([]);
  const { integrations } = await stage.desk.request<{
    integrations: { edges: { node: Listed & { accounts: { edges: { node: Listed }[] } } }[] };
  }>(`{ integrations(first: 5) { edges { node { mailboxes(first: 5) { edges { node { emailAddress } } }
       accounts(first: 5) { edges { node { mailboxes(first: 5) { edges { node { emailAddress } } } } } } } } } }`);
  const nodes = integrations.edges.map(({ node }) => node);
  const ofIntegrations = nodes.flatMap(({ mailboxes }) => addresses(mailboxes.edges));
  const ofAccounts = nodes.flatMap(({ accounts }) =>
    accounts.edges.flatMap(({ node }) => addresses(node.mailboxes.edges)),
  );
  for (const listed of [ofIntegrations, ofAccounts]) {
    expect(listed).toContain(kept.address);
    expect(listed).not.toContain(gone.address);
  }
});
