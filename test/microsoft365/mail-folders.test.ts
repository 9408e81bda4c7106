import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { MailApi, MailboxAccess } from '../../src/microsoft365/mail.ts';
import { DAY, systemClock } from '../../src/platform/clock.ts';
import { SLOW_MACHINE } from '../support/wait.ts';
import { type Stage, startStage } from './harness.ts';

let stage: Stage;
let mail: MailApi;
beforeAll(async () => {
  stage = await startStage({ random: () => 0 });
  mail = stage.microsoft365.mail;
});
afterAll(() => stage[Symbol.asyncDispose]());

let signal: AbortSignal;
beforeEach(() => {
  signal = AbortSignal.timeout(SLOW_MACHINE);
});

/** The ids of what lies in the inbox since yesterday, of fewer than a page. */
async function idsInInbox(access: MailboxAccess): Promise<string[]> {
  const receivedFrom = new Date(systemClock.now().getTime() - DAY);
  const { mails } = await mail.readDelta(access, { folderId: 'inbox', receivedFrom }, signal);
  return mails.map((one) => one.graphMessageId);
}

describe('folders', () => {
  test('the tree comes with paths, parents before children, and names for all languages', async () => {
    const { access } = await stage.mailbox();
    const folder = await mail.createFolder(access, 'Projects', signal);
    const path = `/v1.0/users/${access.emailAddress}/mailFolders`;
    expect(path).toContain(access.emailAddress);
    const folders = await mail.listFolders(access, signal);
    expect(folders).toContainEqual(
      expect.objectContaining({ id: folder.id, displayName: 'Projects', path: 'Projects', parentId: null }),
    );
    expect(folders.find(({ wellKnownName }) => wellKnownName === 'inbox')).toMatchObject({
      displayName: 'Inbox',
    });
  });

  test('a folder is found by its id and by its name for all languages', async () => {
    const { access } = await stage.mailbox();
    const inbox = await mail.getFolder(access, 'inbox', signal);
    expect(inbox).toMatchObject({ wellKnownName: 'inbox', parentId: null, path: 'Inbox', totalItemCount: 0 });
    expect(await mail.getFolder(access, inbox?.id ?? '', signal)).toEqual(inbox);
    expect(await mail.getFolder(access, 'AAMkNoSuchFolder', signal)).toBeNull();
  });

  test('creating a folder that exists gives the one that exists', async () => {
    const { access } = await stage.mailbox();
    const created = await mail.createFolder(access, 'processed-by-deskgraph', signal);
    expect(await mail.createFolder(access, 'Processed-By-Deskgraph', signal)).toEqual(created);
  });

  test('a mailbox that the account may not open says so', async () => {
    const { access } = await stage.mailbox();
    const foreign: MailboxAccess = { ...access, emailAddress: 'mia@contoso.example', kind: 'SHARED' };
    await expect(mail.listFolders(foreign, signal)).rejects.toMatchObject({
      code: 'MAILBOX_ACCESS_DENIED',
      requestId: expect.any(String),
    });
  });

  test('a mailbox that does not exist says so', async () => {
    const { access } = await stage.mailbox();
    const nobody: MailboxAccess = { ...access, emailAddress: 'nobody@contoso.example', kind: 'SHARED' };
    await expect(mail.listFolders(nobody, signal)).rejects.toMatchObject({ code: 'MAILBOX_NOT_FOUND' });
  });

  test('an account without a mailbox says so', async () => {
    const tenancy = await stage.tenancy();
    const account = await stage.connect(tenancy, 'nora@contoso.example');
    const access: MailboxAccess = {
      organizationId: tenancy.organizationId,
      accountId: account.id,
      emailAddress: account.emailAddress,
      kind: 'PRIMARY',
    };
    await expect(mail.getFolder(access, 'inbox', signal)).rejects.toMatchObject({
      code: 'MAILBOX_NOT_ENABLED',
    });
  });

  test('a shared mailbox opens for who may open it', async () => {
    const tenancy = await stage.tenancy();
    const account = await stage.connect(tenancy, 'sam@contoso.example', { purpose: 'SHARED_MAILBOXES' });
    const access: MailboxAccess = {
      organizationId: tenancy.organizationId,
      accountId: account.id,
      emailAddress: 'support@contoso.example',
      kind: 'SHARED',
    };
    const id = await stage.post('support@contoso.example');
    expect(await idsInInbox(access)).toContain(id);
  });
});

describe('moving', () => {
  test('moves many, tells which are gone, and a second time changes nothing', async () => {
    const { access } = await stage.mailbox();
    const ids: string[] = [];
    for (let index = 0; index < 45; index += 1) ids.push(await stage.post(access.emailAddress));
    const archive = await mail.createFolder(access, 'Processed', signal);
    const counter = { requests: 0 };
    const asked = [...ids, 'AAMkNoSuchMail'];
    const result = await mail.withCounter(counter).moveMails(access, asked, archive.id, signal);
    expect(Object.fromEntries(result)).toEqual(
      Object.fromEntries(asked.map((id) => [id, id === 'AAMkNoSuchMail' ? 'GONE' : 'MOVED'])),
    );
    // Three batches, and one look at the folder because of the mail that is gone.
    expect(counter.requests).toBe(4);
    const again = await mail.moveMails(access, ids, archive.id, signal);
    expect(new Set(again.values())).toEqual(new Set(['MOVED']));
    expect(await mail.getFolder(access, archive.id, signal)).toMatchObject({ totalItemCount: 45 });
  });

  test('ids survive the move: the mail is still read by the same one', async () => {
    const { access } = await stage.mailbox();
    const id = await stage.post(access.emailAddress);
    await mail.moveMails(access, [id], 'archive', signal);
    expect(await mail.getMail(access, id, signal)).toMatchObject({ graphMessageId: id });
    expect(await idsInInbox(access)).toEqual([]);
  });

  test('parts that are throttled or fail are moved all the same', async () => {
    const { access } = await stage.mailbox();
    const ids: string[] = [];
    for (let index = 0; index < 20; index += 1) ids.push(await stage.post(access.emailAddress));
    const pathPattern = '/move$';
    const mailbox = access.emailAddress;
    await stage.control('POST', '/faults', {
      status: 429,
      retryAfterSeconds: 0.2,
      count: 3,
      pathPattern,
      mailbox,
    });
    await stage.control('POST', '/faults', { status: 503, count: 2, pathPattern, mailbox });
    const result = await mail.moveMails(access, ids, 'archive', signal);
    expect([...result.values()].every((one) => one === 'MOVED')).toBe(true);
    expect(result.size).toBe(20);
  });

  test('to a folder that does not exist is an error, not a mail that is gone', async () => {
    const { access } = await stage.mailbox();
    const id = await stage.post(access.emailAddress);
    const result = await mail.moveMails(access, [id], 'AAMkNoSuchFolder', signal);
    expect(result.get(id)).toMatchObject({ code: 'FOLDER_NOT_FOUND' });
  });
});
