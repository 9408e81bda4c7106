import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { forkAcrossOrganizations, forkFor } from '../../src/platform/database.ts';
import { control, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliver, deliverMany } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app[Symbol.asyncDispose]());

interface File {
  name: string;
  state: string;
  sizeBytes: number;
  problem: { code: string } | null;
  downloadUrl: string | null;
}

/** Delivers a mail with two files while `fault` is on, and gives its files once `isDone`. */
async function filesAfter(
  desk: Desk,
  address: string,
  mailboxId: string,
  fault: Record<string, unknown>,
  isDone: (files: File[]) => boolean,
): Promise<File[]> {
  await control(app.emulator.url, 'faults', { ...fault, mailbox: address });
  const contentBytes = Buffer.from('content').toString('base64');
  await deliver(app.emulator.url, {
    to: address,
    subject: 'Files',
    attachments: [
      { name: 'one.txt', contentBytes },
      { name: 'two.txt', contentBytes },
    ],
  });
  await desk.sync(mailboxId);
  return eventually('the files are settled', async () => {
    const { tickets } = await desk.request<{
      tickets: { edges: { node: { messages: { edges: { node: { attachments: File[] } }[] } } }[] };
    }>(`{ tickets(first: 1) { edges { node { messages(first: 1) { edges { node { attachments {
      name state sizeBytes problem { code } downloadUrl } } } } } } } }`);
    const files = tickets.edges[0]?.node.messages.edges[0]?.node.attachments ?? [];
    return isDone(files) && files;
  });
}

async function connected() {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  return { desk, mailboxId, address };
}

test('files are stored once all the same when Microsoft fails meanwhile', async () => {
  const { desk, mailboxId, address } = await connected();
  const fault = { pathPattern: 'attachments/', reset: true, count: 2 };
  const files = await filesAfter(
    desk,
    address,
    mailboxId,
    fault,
    (found) => found.length > 0 && found.every(({ state }) => state === 'STORED'),
  );
  expect(files.map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([
    ['one.txt', 7],
    ['two.txt', 7],
  ]);
});

test('a mail that is gone before its files are fetched says so, and the ticket is there', async () => {
  const { desk, mailboxId, address } = await connected();
  const fault = { pathPattern: '/attachments', status: 404, errorCode: 'ErrorItemNotFound' };
  const files = await filesAfter(desk, address, mailboxId, fault, (found) => found.length > 0);
  expect(files).toEqual([
    {
      name: 'attachments',
      state: 'FAILED',
      sizeBytes: 0,
      problem: { code: 'ITEM_NOT_FOUND' },
      downloadUrl: null,
    },
  ]);
});

const NODES = `{ tickets(first: 100) { edges { node { subject messages(first: 1) { edges { node { attachments {
  name state sizeBytes sha256 problem { code } } } } } } } } }`;
interface StoredFile extends Omit<File, 'downloadUrl'> {
  sha256: string | null;
}

/** The first file of each ticket, by the ticket's subject. */
async function fileOfEach(desk: Desk): Promise<Map<string, StoredFile | undefined>> {
  const { tickets } = await desk.request<{
    tickets: {
      edges: { node: { subject: string; messages: { edges: { node: { attachments: StoredFile[] } }[] } } }[];
    };
  }>(NODES);
  return new Map(
    tickets.edges.map(({ node }) => [node.subject, node.messages.edges[0]?.node.attachments[0]]),
  );
}

function mailsWithFile(to: string, count: number) {
  return Array.from({ length: count }, (_, index) => ({
    to,
    subject: `Mail ${index}`,
    attachments: [{ name: 'log.txt', contentBytes: Buffer.from(`Log ${index}`).toString('base64') }],
  }));
}

/** Waits until no job is at work for anybody: a mailbox that was just connected is also asked for its addresses. */
function nobodyIsBusy(): Promise<unknown> {
  return eventually('no job of an organization runs or waits for its turn', async () => {
    const busy = await forkAcrossOrganizations(app.database).execute<object[]>(
      `select from graphile_worker._private_jobs where payload ->> 'organizationId' is not null
         and (locked_at is not null or run_at < now() + interval '1 minute') limit 1`,
    );
    return busy.length === 0;
  });
}

test('the files of twenty mails cost two requests, and each mail gets its own', async () => {
  const { desk, mailboxId, address } = await connected();
  await nobodyIsBusy();
  await deliverMany(app.emulator.url, mailsWithFile(address, 20));
  const requestsSoFar = () => control<{ httpRequests: number }>(app.emulator.url, 'requests');
  const before = await requestsSoFar();
  const { requests } = await desk.sync(mailboxId);
  const files = await eventually('all are stored', async () => {
    const found = await fileOfEach(desk);
    return found.size === 20 && [...found.values()].every((file) => file?.state === 'STORED') && found;
  });
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  for (const [subject, file] of files) {
    expect(file?.sha256).toBe(sha256(subject.replace('Mail', 'Log')));
  }
  // The job tells of the files after the last of them is stored.
  await nobodyIsBusy();
  expect((await requestsSoFar()).httpRequests - before.httpRequests - requests).toBe(2);
  const events = await forkFor(app.database, desk.organizationId).execute<{ tickets: number }[]>(
    `select count(distinct payload ->> 'ticketId')::int as tickets from event
     where organization_id = ? and type = 'ticket.updated'`,
    [desk.organizationId],
  );
  expect(events).toEqual([{ tickets: 20 }]);
});

test('a mail whose files cannot be fetched keeps no other waiting, and is tried again by itself', async () => {
  const { desk, mailboxId, address } = await connected();
  const [poison] = await deliverMany(app.emulator.url, mailsWithFile(address, 4));
  const { id: faultId } = await control<{ id: string }>(app.emulator.url, 'faults', {
    status: 403,
    pathPattern: `${poison?.immutableId}/attachments/`,
    mailbox: address,
  });
  await desk.sync(mailboxId);
  await eventually('the others are stored', async () => {
    const states = [...(await fileOfEach(desk)).values()].map((file) => file?.state);
    return states.filter((state) => state === 'STORED').length === 3 && states.includes('PENDING');
  });
  await control(app.emulator.url, `faults/${faultId}`, undefined, 'DELETE');
  await eventually('the last is stored', async () => {
    const files = await fileOfEach(desk);
    return [...files.values()].every((file) => file?.state === 'STORED');
  });
});
