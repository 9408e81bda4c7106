import {
  AuthenticationHandler,
  type AuthenticationProvider,
  BatchRequestContent,
  BatchResponseContent,
  Client,
  type Context,
  type Middleware,
  PageIterator,
} from '@microsoft/microsoft-graph-client';
import type { Message } from '@microsoft/microsoft-graph-types';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MailServer, startMailServer } from './mail-harness.ts';

const GRAPH = 'https://graph.microsoft.com';
let server: MailServer;
beforeAll(async () => {
  server = await startMailServer();
  await server.control('POST', '/settings', { linkRoot: GRAPH });
});
afterAll(() => server[Symbol.asyncDispose]());

/** Microsoft's client as it comes: it believes it talks to Microsoft; only the last step goes to the emulator. */
function graphClient(): Client {
  const authentication: AuthenticationProvider = { getAccessToken: async () => server.token(null) };
  const handler = new AuthenticationHandler(authentication);
  const toEmulator: Middleware = {
    async execute(context: Context) {
      const request = context.request instanceof Request ? context.request.url : context.request;
      context.response = await fetch(request.replace(GRAPH, server.emulator.graphUrl), context.options);
    },
  };
  handler.setNext(toEmulator);
  return Client.initWithMiddleware({ middleware: handler });
}

test('the unmodified Graph client pages through a delta query by the links it is given', async () => {
  const address = await server.mailbox();
  for (let index = 0; index < 12; index += 1) await server.post(address, { subject: `Mail ${index}` });
  const client = graphClient();
  const first = await client
    .api(`/users/${address}/mailFolders/inbox/messages/delta`)
    .select(['subject', 'receivedDateTime'])
    .header('Prefer', 'IdType="ImmutableId", odata.maxpagesize=5')
    .get();
  const seen: string[] = [];
  const iterator = new PageIterator(
    client,
    first,
    (message: Message) => seen.push(message.subject ?? '') > 0,
  );
  await iterator.iterate();
  expect(new Set(seen).size).toBe(12);
  expect(iterator.getDeltaLink()).toMatch(/^https:\/\/graph\.microsoft\.com\/v1\.0\/users\/.*\$deltatoken=/);
  await server.post(address, { subject: 'Later' });
  const later = await client.api(iterator.getDeltaLink() ?? '').get();
  expect(later.value.map(({ subject }: Message) => subject)).toEqual(['Later']);
});

test('the unmodified Graph client moves messages in a batch and reads errors', async () => {
  const address = await server.mailbox();
  const mails = await Promise.all([server.post(address), server.post(address)]);
  const client = graphClient();
  const content = new BatchRequestContent(
    mails.map(({ id }, index) => ({
      id: String(index),
      request: new Request(`${GRAPH}/users/${address}/messages/${id}/move`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ destinationId: 'archive' }),
      }),
    })),
  );
  const answer = new BatchResponseContent(await client.api('/$batch').post(await content.getContent()));
  expect([answer.getResponseById('0').status, answer.getResponseById('1').status]).toEqual([201, 201]);
  const archive = await client.api(`/users/${address}/mailFolders/archive`).get();
  expect(archive.totalItemCount).toBe(2);
  await expect(client.api(`/users/${address}/messages/${mails[0]?.id}`).get()).rejects.toMatchObject({
    statusCode: 404,
    code: 'ErrorItemNotFound',
    requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
});

test('the unmodified Graph client sends mail and streams an attachment', async () => {
  const [sender, receiver] = [await server.mailbox(), await server.mailbox()];
  const client = graphClient();
  const big = Buffer.alloc(1024 * 1024, 'deskgraph ');
  await client.api(`/users/${sender}/sendMail`).post({
    message: {
      subject: 'With a file',
      toRecipients: [{ emailAddress: { address: receiver } }],
      attachments: [
        {
          '@odata.type': '#microsoft.graph.fileAttachment',
          name: 'big.bin',
          contentBytes: big.toString('base64'),
        },
      ],
    },
  });
  const inbox = await client.api(`/users/${receiver}/mailFolders/inbox/messages`).expand('attachments').get();
  const [{ id, attachments }] = inbox.value;
  const stream: ReadableStream<Uint8Array> = await client
    .api(`/users/${receiver}/messages/${id}/attachments/${attachments[0].id}/$value`)
    .getStream();
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  expect(Buffer.concat(chunks).equals(big)).toBe(true);
});
