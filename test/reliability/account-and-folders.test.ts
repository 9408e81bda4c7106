import { afterAll, beforeAll, expect, test } from 'vitest';
import { control, type Desk } from '../support/app.ts';
import { signInAs } from '../support/browser.ts';
import { deliverMany, foldersOf } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import {
  changeSettings,
  createFolder,
  type Fleet,
  manyMails,
  rawId,
  rows,
  runsOf,
  setFault,
  settled,
  sortedSubjects,
  startFleet,
  startSync,
  ticketSubjects,
} from './harness.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet(['api,worker']);
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

async function newDesk(settings?: (desk: Desk, mailboxId: string) => Promise<Record<string, unknown>>) {
  const [process] = fleet.processes;
  if (!process) throw new Error('no process');
  const desk = (await fleet.newDesk())(process);
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId, await settings?.(desk, mailboxId));
  return { desk, mailboxId, address };
}

interface Status {
  state: string;
  problem: { code: string; remedy: string } | null;
}

async function statusOf(desk: Desk, mailboxId: string): Promise<Status> {
  const { node } = await desk.request<{ node: { syncStatus: Status } }>(
    'query ($id: ID!) { node(id: $id) { ... on Mailbox { syncStatus { state problem { code remedy } } } } }',
    { id: mailboxId },
  );
  return node.syncStatus;
}

/** Deletes a folder as a person does in Outlook who empties the bin afterwards: it is gone for good. */
async function deleteFolder(address: string, folderId: string): Promise<void> {
  const { graphUrl, loginUrl } = fleet.emulator;
  const token = await fetch(`${loginUrl}/contoso.example/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: 'outlook',
      client_secret: 'any',
      grant_type: 'client_credentials',
      scope: 'https://graph.microsoft.com/.default',
    }),
  });
  const { access_token: value } = (await token.json()) as { access_token: string };
  const answer = await fetch(`${graphUrl}/v1.0/users/${address}/mailFolders/${folderId}/permanentDelete`, {
    method: 'POST',
    headers: { authorization: `Bearer ${value}` },
  });
  if (!answer.ok) throw new Error(`The folder was not deleted: ${answer.status} ${await answer.text()}`);
}

test('a sign-in revoked during a run: the run and the account say so, and after signing in again all is caught up at once', async () => {
  const { desk, mailboxId, address } = await newDesk(async (desk, mailboxId) => ({
    afterProcessing: 'ARCHIVE',
    archiveFolderId: await createFolder(desk, mailboxId, 'Done'),
  }));
  const mails = manyMails(address, 250);
  await deliverMany(fleet.emulator.url, mails);
  const hold = await setFault(fleet.emulator.url, {
    latencyMs: 60_000,
    pathPattern: 'skiptoken',
    mailbox: address,
  });
  await startSync(desk, mailboxId);
  await hold.met();
  await control(fleet.emulator.url, 'tokens/revoke', { address, accessTokensToo: true });
  await hold.clear();
  await settled(fleet, mailboxId);
  const [run] = (await runsOf(fleet, mailboxId)).slice(-1);
  expect(run?.state).toBe('FAILED');
  expect(await statusOf(desk, mailboxId)).toMatchObject({
    state: 'FAILING',
    problem: { code: 'TOKEN_REVOKED', remedy: expect.stringContaining('Sign in') },
  });
  const account = async () => {
    const { node } = await desk.request<{
      node: {
        account: {
          id: string;
          status: string;
          integration: { id: string };
          problem: { code: string; remedy: string } | null;
        };
      };
    }>(
      `query ($id: ID!) { node(id: $id) { ... on Mailbox { account { id status integration { id } problem { code remedy } } } } }`,
      { id: mailboxId },
    );
    return node.account;
  };
  const { integration, ...told } = await account();
  expect(told).toMatchObject({ status: 'NEEDS_SIGN_IN', problem: { code: 'TOKEN_REVOKED' } });
  const { startSignIn } = await desk.request<{ startSignIn: { authorizationUrl: string } }>(
    `mutation ($input: StartSignInInput!) { startSignIn(input: $input) { ... on StartSignInPayload { authorizationUrl } } }`,
    { input: { integrationId: integration.id } },
  );
  await signInAs(startSignIn.authorizationUrl, address);
  // Nobody asks for a sync: signing in is enough.
  await eventually('all is caught up', async () => {
    const folders = await foldersOf(fleet.emulator.url, address);
    return folders.get('Done')?.length === mails.length;
  });
  await settled(fleet, mailboxId);
  expect(await ticketSubjects(fleet, desk.organizationId)).toEqual(sortedSubjects(mails));
  expect(await account()).toMatchObject({ status: 'ACTIVE', problem: null });
  expect(await statusOf(desk, mailboxId)).toEqual({ state: 'IDLE', problem: null });
});

test('an archive folder that is deleted: the mails say so, the sync goes on, and choosing another folder moves them all', async () => {
  const { desk, mailboxId, address } = await newDesk(async (desk, mailboxId) => ({
    afterProcessing: 'ARCHIVE',
    archiveFolderId: await createFolder(desk, mailboxId, 'Doomed'),
  }));
  const [row] = await rows<{ id: string }>(
    fleet,
    `select archive_folder->>'id' as id from mailbox where id = ?`,
    [rawId(mailboxId)],
  );
  await deleteFolder(address, row?.id ?? '');
  const mails = manyMails(address, 30);
  await deliverMany(fleet.emulator.url, mails);
  expect(await desk.sync(mailboxId)).toMatchObject({ state: 'SUCCEEDED', created: 30, problem: null });
  const failed = () =>
    desk.request<{
      inboundMessages: {
        edges: { node: { archiveState: string; problem: { code: string; remedy: string } } }[];
      };
    }>(
      `{ inboundMessages(first: 100, filter: { archiveState: [FAILED] }) { edges { node { archiveState problem { code remedy } } } } }`,
    );
  const found = await eventually('every mail says that it could not be archived', async () => {
    const { inboundMessages } = await failed();
    return inboundMessages.edges.length === 30 && inboundMessages.edges;
  });
  expect(found[0]?.node).toMatchObject({
    archiveState: 'FAILED',
    problem: { code: 'FOLDER_NOT_FOUND', remedy: expect.stringContaining('Choose another folder') },
  });
  expect(await ticketSubjects(fleet, desk.organizationId)).toEqual(sortedSubjects(mails));
  await changeSettings(desk, mailboxId, { archiveFolderId: await createFolder(desk, mailboxId, 'Second') });
  await eventually('all mail lies in the new folder', async () => {
    return (await foldersOf(fleet.emulator.url, address)).get('Second')?.length === 30;
  });
  // Microsoft has moved them some time before the ledger knows.
  await eventually('every row of the ledger is done and says nothing', async () => {
    const undone = await rows(
      fleet,
      'select 1 from inbound_message where organization_id = ? and (problem is not null or archive_state <> ?)',
      [desk.organizationId, 'DONE'],
    );
    return undone.length === 0;
  });
  expect((await failed()).inboundMessages.edges).toEqual([]);
});

test('a watched folder that is deleted: the status names it with what to do, and another folder sets it right', async () => {
  const { desk, mailboxId, address } = await newDesk(async (desk, mailboxId) => ({
    folderId: await createFolder(desk, mailboxId, 'Watched'),
  }));
  const [row] = await rows<{ id: string }>(fleet, `select folder->>'id' as id from mailbox where id = ?`, [
    rawId(mailboxId),
  ]);
  await deleteFolder(address, row?.id ?? '');
  expect(await desk.sync(mailboxId)).toMatchObject({
    state: 'FAILED',
    problem: { code: 'FOLDER_NOT_FOUND' },
  });
  expect(await statusOf(desk, mailboxId)).toMatchObject({
    state: 'FAILING',
    problem: { code: 'FOLDER_NOT_FOUND', remedy: expect.stringContaining('Choose another folder') },
  });
  await changeSettings(desk, mailboxId, { folderId: 'inbox' });
  await settled(fleet, mailboxId);
  expect(await statusOf(desk, mailboxId)).toEqual({ state: 'IDLE', problem: null });
  const mails = manyMails(address, 3);
  await deliverMany(fleet.emulator.url, mails);
  await desk.sync(mailboxId);
  expect(await ticketSubjects(fleet, desk.organizationId)).toEqual(sortedSubjects(mails));
});
