import { afterAll, beforeAll, expect, test } from 'vitest';
import { control, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
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
