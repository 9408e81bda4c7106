import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { type AccessDesk, startAccessDesk, subjectsOf } from './access-harness.ts';

let stage: AccessDesk;
beforeAll(async () => {
  // Nothing is polled: an account that fails would be at work again after ten seconds, and not say that it is failing.
  stage = await startAccessDesk(() => startTestApp({}, { isScheduled: false }));
});
afterAll(() => stage?.app[Symbol.asyncDispose]());

interface Status {
  syncStatus: { state: string; problem: { code: string } | null };
  account: { status: string };
  incoming: { intervalMinutes: string; createTickets: boolean };
}

const statusOf = async (mailboxId: string) =>
  (
    await stage.desk.request<{ node: Status }>(
      `query ($id: ID!) { node(id: $id) { ... on Mailbox { syncStatus { state problem { code } }
         account { status } incoming { intervalMinutes createTickets } } } }`,
      { id: mailboxId },
    )
  ).node;

test('several integrations, accounts and mailboxes in one organization, each with its own settings and status; one broken account stops no other', async () => {
  const [ada, bob, team] = [await stage.newMailbox(), await stage.newMailbox(), await stage.newMailbox()];
  const shared = await stage.newMailbox({ kind: 'shared', fullAccess: [bob] });
  const first = await stage.connect(ada);
  // A second account of the same integration, a third one of another, and an application.
  const second = await stage.connect(bob, 'SHARED_MAILBOXES', first.integrationId);
  const tenant = await stage.connectTenant();
  await stage.run('addSharedMailbox', { accountId: second.accountId, emailAddress: shared });
  await stage.run('addSharedMailbox', { accountId: tenant.accountId, emailAddress: team });
  const ids = new Map((await stage.mailboxes()).map(({ emailAddress, id }) => [emailAddress, id]));
  const idOf = (address: string) => ids.get(address) ?? '';
  await stage.desk.enable(idOf(ada), { intervalMinutes: 'MINUTES_15' });
  await stage.desk.enable(idOf(bob), { createTickets: false });
  await stage.desk.enable(idOf(shared), { intervalMinutes: 'MINUTES_30' });
  await stage.desk.enable(idOf(team));

  await stage.exchange('tokens/revoke', { address: ada, accessTokensToo: true });
  for (const address of [ada, bob, shared, team]) {
    await deliver(stage.app.emulator.url, { to: address, subject: `For ${address}` });
  }
  const runs = await Promise.all([ada, bob, shared, team].map((address) => stage.desk.sync(idOf(address))));
  expect(runs.map(({ state }) => state)).toEqual(['FAILED', 'SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED']);
  expect(await subjectsOf(stage.desk)).toEqual([`For ${shared}`, `For ${team}`].sort());
  expect(await statusOf(idOf(ada))).toMatchObject({
    syncStatus: { state: 'FAILING', problem: { code: 'TOKEN_REVOKED' } },
    account: { status: 'NEEDS_SIGN_IN' },
    incoming: { intervalMinutes: 'MINUTES_15', createTickets: true },
  });
  expect(await statusOf(idOf(bob))).toMatchObject({
    syncStatus: { state: 'IDLE', problem: null },
    account: { status: 'ACTIVE' },
    incoming: { intervalMinutes: 'MINUTES_60', createTickets: false },
  });
  expect(await statusOf(idOf(shared))).toMatchObject({
    syncStatus: { state: 'IDLE' },
    incoming: { intervalMinutes: 'MINUTES_30' },
  });

  // It comes back by signing in, and what came meanwhile becomes a ticket.
  await stage.connect(ada, 'MAIL', first.integrationId);
  await eventually('the mail of the broken account arrives', async () =>
    (await subjectsOf(stage.desk)).includes(`For ${ada}`),
  );
});

test('a mailbox whose access is lost fails alone; its account reads the others', async () => {
  const agent = await stage.newMailbox();
  const shared = await stage.newMailbox({ kind: 'shared', fullAccess: [agent] });
  const { accountId } = await stage.connect(agent);
  const { mailbox } = await stage.run('addSharedMailbox', { accountId, emailAddress: shared });
  const own = (await stage.mailboxes()).find(({ emailAddress }) => emailAddress === agent)?.id ?? '';
  await stage.desk.enable(own);
  await stage.desk.enable(mailbox?.id ?? '');
  await stage.exchange(`mailboxes/${shared}`, { fullAccess: [] }, 'PATCH');
  await deliver(stage.app.emulator.url, { to: agent, subject: `For ${agent}` });
  const [broken, fine] = [await stage.desk.sync(mailbox?.id ?? ''), await stage.desk.sync(own)];
  expect(broken).toMatchObject({ state: 'FAILED', problem: { code: 'MAILBOX_ACCESS_DENIED' } });
  expect(fine).toMatchObject({ state: 'SUCCEEDED', created: 1 });
  expect((await statusOf(own)).account.status).toBe('ACTIVE');
});

test('a mailbox that another account signs in to goes over with settings and ledger; what it read before stays one ticket', async () => {
  const agent = await stage.newMailbox();
  const box = await stage.newMailbox({ fullAccess: [agent] });
  const { accountId } = await stage.connect(agent);
  const { mailbox } = await stage.run('addSharedMailbox', { accountId, emailAddress: box });
  const mailboxId = mailbox?.id ?? '';
  await stage.desk.enable(mailboxId, { intervalMinutes: 'MINUTES_5' });
  await deliver(stage.app.emulator.url, { to: box, subject: `One ${box}` });
  await stage.desk.sync(mailboxId);
  const { accountId: ownAccount } = await stage.connect(box, 'MAIL');
  expect((await stage.mailboxes()).find(({ id }) => id === mailboxId)).toMatchObject({
    kind: 'PRIMARY',
    account: { id: ownAccount },
    incoming: { enabled: true },
  });
  await deliver(stage.app.emulator.url, { to: box, subject: `Two ${box}` });
  await stage.desk.sync(mailboxId);
  expect((await subjectsOf(stage.desk)).filter((subject) => subject.endsWith(box))).toEqual([
    `One ${box}`,
    `Two ${box}`,
  ]);
});
