import { createHash } from 'node:crypto';
import type { Message as Mail } from '@microsoft/microsoft-graph-types';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { reply, upload } from '../outbound/reply-desk.ts';
import { control, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import { newCustomer } from './customer.ts';
import { askAt, waitForOutbound } from './send-desk.ts';

/*
 * A file above Exchange's usual limit, from the agent's program to the customer's. With the most that is taken (150 MB) it
 * arrives as well, and costs 20 seconds of computing; those go to Microsoft in test/microsoft365/upload-memory.test.ts, which
 * also looks at the memory, as test/ticketing/attachment-memory.test.ts does.
 */

const FILE_BYTES = 40_000_000;

let app: TestApp;
let desk: Desk;
let mailbox: { mailboxId: string; address: string };
beforeAll(async () => {
  app = await startTestApp();
  desk = await app.newDesk('Large files');
  mailbox = await desk.connectMailbox(undefined, { sends: true });
  await desk.enable(mailbox.mailboxId);
});
afterAll(() => app?.[Symbol.asyncDispose]());

async function warningsOf(input: Record<string, unknown>): Promise<string[]> {
  const { previewReply } = await desk.request<{ previewReply: { warnings: { kind: string }[] } }>(
    `query ($input: PreviewReplyInput!) { previewReply(input: $input) { ... on ReplyPreview { warnings { kind } } } }`,
    { input },
  );
  return previewReply.warnings.map(({ kind }) => kind);
}

test('a file of 40 MB arrives as it was; above 35 MB there is a warning, until the mailbox has sent as much', async () => {
  // An administrator has raised what Exchange takes.
  const raised = { maxMessageBytes: 200 * 1024 * 1024 };
  await control(app.emulator.url, `mailboxes/${mailbox.address}/sending`, raised, 'PUT');
  const customer = await newCustomer(app.emulator);
  const { ticketId } = await askAt(desk, mailbox.mailboxId, customer, mailbox.address);
  const words = new Uint32Array(FILE_BYTES / 4);
  for (let at = 0; at < words.length; at += 1) words[at] = at * 2_654_435_761;
  const content = new Uint8Array(words.buffer);
  const file = { name: 'plans.zip', sizeBytes: content.length };
  const sha256 = createHash('sha256').update(content).digest('hex');
  const uploadId = await upload(app.url, desk.apiKey, content, { name: file.name });
  const input = { ticketId, text: 'Here they are.', includeQuote: false };
  expect(await warningsOf(input)).toEqual([]);
  expect(await warningsOf({ ...input, uploadIds: [uploadId] })).toEqual(['LARGE_FILES']);
  const { outboundMessage, message, warnings } = await reply(app.url, desk.apiKey, {
    ...input,
    uploadIds: [uploadId],
  });
  expect(warnings).toEqual([{ kind: 'LARGE_FILES' }]);
  const isIt = ({ body }: Mail) => (body?.content ?? '').includes(input.text);
  const received = await eventually(
    'the file arrives',
    async () => (await customer.messages()).find(isIt) ?? false,
    150_000,
  );
  await waitForOutbound(desk, outboundMessage?.id, ({ state }) => state === 'SENT');
  expect(await customer.files(received)).toEqual([{ ...file, sha256 }]);

  const { node } = await desk.request<{ node: { attachments: { id: string }[] } }>(
    'query ($id: ID!) { node(id: $id) { ... on Message { attachments { id } } } }',
    { id: message?.id },
  );
  const attachmentIds = node.attachments.map(({ id }) => id);
  expect(attachmentIds).toHaveLength(1);
  expect(await warningsOf({ ...input, attachmentIds })).toEqual([]);
}, 240_000);
