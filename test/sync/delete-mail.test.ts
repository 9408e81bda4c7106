import { afterAll, beforeAll, expect, test } from 'vitest';
import { control, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliver, foldersOf, type TestMail } from '../support/mail.ts';
import { moveByHand } from '../support/outlook.ts';
import { eventually } from '../support/wait.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app[Symbol.asyncDispose]());

interface Row {
  id: string;
  archiveState: string;
  problem: { code: string; remedy: string } | null;
  message: {
    text: string;
    html: string | null;
    isShortened: boolean;
    attachments: { name: string; state: string }[];
  } | null;
}

async function stage() {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId, { afterProcessing: 'DELETE' });
  const row = async (): Promise<Row> => {
    const { inboundMessages } = await desk.request<{ inboundMessages: { edges: { node: Row }[] } }>(
      `{ inboundMessages(first: 1) { edges { node { id archiveState problem { code remedy }
           message { text html isShortened attachments { name state } } } } } }`,
    );
    const [edge] = inboundMessages.edges;
    if (edge === undefined) throw new Error('Nothing has come.');
    return edge.node;
  };
  const arrived = async (mail: Omit<TestMail, 'to'>) => {
    const delivered = await deliver(app.emulator.url, { to: address, ...mail });
    await desk.sync(mailboxId);
    return delivered;
  };
  const settled = (state: string) =>
    eventually(`it is ${state}`, async () => {
      const found = await row();
      return found.archiveState === state && found;
    });
  return {
    desk,
    address,
    arrived,
    settled,
    inbox: async () => (await foldersOf(app.emulator.url, address)).get('Inbox'),
  };
}

const retry = (desk: Desk, id: string) =>
  desk.request<{ retryInboundMessage: { __typename: string } }>(
    'mutation ($id: ID!) { retryInboundMessage(input: { inboundMessageId: $id }) { __typename } }',
    { id },
  );

const plan = [{ name: 'plan.txt', contentType: 'text/plain', contentBytes: btoa('The plan') }];
const noFile = { status: 404, errorCode: 'ErrorItemNotFound', pathPattern: '/attachments' };

test.each([
  ['text that is longer than what is kept', { text: 'word '.repeat(150_000) }],
  ['HTML that is longer than what is kept', { html: `<p>${'word '.repeat(250_000)}</p>` }],
  [
    'an image within it that is larger than what is kept',
    { html: `<img src="data:image/png;base64,${'A'.repeat(4_100_000)}">` },
  ],
])('%s: the only whole copy stays in the Inbox, and says so', async (_what, body) => {
  const { desk, address, arrived, settled, inbox } = await stage();
  const { id } = await arrived({ subject: 'Too long', ...body });
  const row = await settled('FAILED');
  expect(row.problem?.code).toBe('MESSAGE_SHORTENED');
  expect(row.message?.isShortened).toBe(true);
  expect(await inbox()).toEqual(['Too long']);
  // What the remedy says: it is deleted by hand, and a retry settles it.
  await moveByHand(app.emulator, address, id, 'Deleted Items');
  await retry(desk, row.id);
  expect(await settled('DONE')).toMatchObject({ problem: null });
});

test('a pasted screenshot of 1.4 MB is kept, and so is the text behind it: then the mail is whole, and deleted', async () => {
  const { arrived, settled, inbox } = await stage();
  const screenshot = Buffer.alloc(1_050_000, 7).toString('base64');
  await arrived({
    subject: 'Screenshot',
    html: `<p>Look:</p><img src="data:image/png;base64,${screenshot}"><p>The error is in the corner.</p>`,
  });
  const { message } = await settled('DONE');
  expect(message?.isShortened).toBe(false);
  expect(message?.text).toBe('Look:\n\nThe error is in the corner.');
  expect(message?.html).toContain(`<img src="data:image/png;base64,${screenshot}" />`);
  expect(await inbox()).toEqual([]);
});

test('a file that is not here: a retry fetches it, and then the mail is deleted', async () => {
  const { desk, address, arrived, settled, inbox } = await stage();
  await control(app.emulator.url, 'faults', { ...noFile, mailbox: address });
  await arrived({ subject: 'With a file', attachments: plan });
  const failed = await settled('FAILED');
  expect(failed.problem).toMatchObject({
    code: 'ATTACHMENT_NOT_STORED',
    remedy: expect.stringContaining('retryInboundMessage'),
  });
  expect(await inbox()).toEqual(['With a file']);
  await control(app.emulator.url, 'faults', undefined, 'DELETE');
  await retry(desk, failed.id);
  const row = await settled('DONE');
  expect(row.message?.attachments).toEqual([{ name: 'plan.txt', state: 'STORED' }]);
  expect(await inbox()).toEqual([]);
});

test('a file that is not here: a mail that a person has deleted is settled by a retry', async () => {
  const { desk, address, arrived, settled } = await stage();
  await control(app.emulator.url, 'faults', { ...noFile, mailbox: address });
  const { id } = await arrived({ subject: 'With a file', attachments: plan });
  const failed = await settled('FAILED');
  await moveByHand(app.emulator, address, id, 'Deleted Items');
  await retry(desk, failed.id);
  expect(await settled('DONE')).toMatchObject({ problem: null });
  await control(app.emulator.url, 'faults', undefined, 'DELETE');
});
