import type { Message } from '@microsoft/microsoft-graph-types';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readDeliveryReport } from '../../src/ticketing/delivery-report.ts';
import { type MailServer, startMailServer } from './mail-harness.ts';

let server: MailServer;
beforeAll(async () => {
  server = await startMailServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const to = (...addresses: string[]) => addresses.map((address) => ({ emailAddress: { address } }));
const rules = (address: string, body: object) => server.control('PUT', `/mailboxes/${address}/sending`, body);
const send = (from: string, recipients: object[], more: object = {}) =>
  server.graph('POST', `/users/${from}/sendMail`, {
    body: { message: { subject: 'Many', toRecipients: recipients, ...more } },
  });
const inbox = async (address: string): Promise<Message[]> =>
  (await server.graph('GET', `/users/${address}/mailFolders/inbox/messages?$top=100`)).body.value ?? [];

interface Deliveries {
  total: number;
  underWay: number;
  deliveries: { outboundMessage: string | null; recipient: string; outcome: string; count: number }[];
}

test('over the limit of a minute mail waits in the Outbox, or is refused with a time to wait', async () => {
  const [sender, receiver] = [await server.mailbox(), await server.mailbox()];
  await rules(sender, { messagesPerMinute: 2 });
  for (let count = 0; count < 5; count += 1) expect((await send(sender, to(receiver))).status).toBe(202);
  expect(await inbox(receiver)).toHaveLength(2);
  await server.control('POST', '/clock', { advanceSeconds: 60 });
  expect(await inbox(receiver)).toHaveLength(4);
  await server.control('POST', '/clock', { advanceSeconds: 60 });
  expect(await inbox(receiver)).toHaveLength(5);

  await rules(sender, { messagesPerMinute: 2, overLimit: 'REFUSE' });
  expect((await send(sender, to(receiver))).status).toBe(202);
  const refused = await send(sender, to(receiver));
  expect([refused.status, refused.body.error?.code]).toEqual([429, 'ErrorExceededMessageLimit']);
  const wait = Number(refused.headers.get('retry-after'));
  expect(wait).toBeGreaterThan(0);
  await server.control('POST', '/clock', { advanceSeconds: wait });
  expect((await send(sender, to(receiver))).status).toBe(202);
});

test('over the recipients of a day mail comes back, or is refused, and a draft stays one', async () => {
  const [sender, receiver] = [await server.mailbox(), await server.mailbox()];
  await rules(sender, { recipientsPerDay: 3 });
  expect((await send(sender, to(receiver, 'a@elsewhere.test', 'b@elsewhere.test'))).status).toBe(202);
  expect((await send(sender, to(receiver))).status).toBe(202);
  expect(await inbox(receiver)).toHaveLength(1);
  expect((await inbox(sender))[0]?.body?.content).toContain('5.1.90');
  await rules(sender, { recipientsPerDay: 3, overLimit: 'REFUSE' });
  const { body: draft } = await server.graph<Message>('POST', `/users/${sender}/messages`, {
    body: { toRecipients: to(receiver) },
  });
  expect((await server.graph('POST', `/users/${sender}/messages/${draft.id}/send`)).status).toBe(429);
  await server.control('POST', '/clock', { advanceSeconds: 86_401 });
  expect((await server.graph('POST', `/users/${sender}/messages/${draft.id}/send`)).status).toBe(202);
  const used = await server.control<object>('GET', `/mailboxes/${sender}/sending`);
  expect(used.body).toMatchObject({ messagesInLastMinute: 1, recipientsInLastDay: 1, underWay: 0 });
});

test('size, quota and a blocked account are refused with their own codes', async () => {
  const [sender, receiver] = [await server.mailbox(), await server.mailbox()];
  const content = 'x'.repeat(2_000);
  const code = async (rule: object) => {
    await rules(sender, rule);
    const answer = await send(sender, to(receiver), { body: { contentType: 'text', content } });
    return [answer.status, answer.body.error?.code];
  };
  expect(await code({ maxMessageBytes: 1_000 })).toEqual([413, 'ErrorMessageSizeExceeded']);
  expect(await code({ isFull: true })).toEqual([507, 'ErrorQuotaExceeded']);
  expect(await code({ blocked: 'REFUSED' })).toEqual([403, 'ErrorAccountSuspend']);
  expect(await inbox(receiver)).toEqual([]);
  expect(await code({ blocked: 'BOUNCED' })).toEqual([202, undefined]);
  expect((await inbox(sender))[0]?.body?.content).toContain('5.1.8');
});

test.each([
  ['an unknown address', 'nobody@fabrikam.example', {}, '5.1.10', /RecipientNotFound/, 'failed'],
  ['a full mailbox', null, { isFull: true }, '5.2.2', /mailbox full/, 'failed'],
  [
    'a delay',
    null,
    { refusesMail: { status: '4.4.1', diagnostic: '441 4.4.1 No answer from host' } },
    '4.4.1',
    /No answer/,
    'delayed',
  ],
])(
  '%s comes back as a report of RFC 3464 that names the mail',
  async (_, unknown, rule, status, words, action) => {
    const sender = await server.mailbox();
    const recipient = unknown ?? (await server.mailbox());
    if (unknown === null) await rules(recipient, rule);
    const { body: draft } = await server.graph<Message>('POST', `/users/${sender}/messages`, {
      body: { subject: 'Grüße', toRecipients: to(recipient) },
    });
    await server.graph('POST', `/users/${sender}/messages/${draft.id}/send`);
    const [report] = await inbox(sender);
    const source = await server.graph<string>('GET', `/users/${sender}/messages/${report?.id}/$value`);
    expect(source.body).toMatch(/^Content-Type: multipart\/report; report-type=delivery-status/m);
    expect(source.body).toContain(`In-Reply-To: ${draft.internetMessageId}`);
    const read = readDeliveryReport(source.body);
    expect(read.originalIds).toEqual([draft.internetMessageId]);
    expect(read.fields).toContain(`Status: ${status}`);
    expect(read.fields).toContain(`Action: ${action}`);
    expect(read.fields).toContain(recipient);
    expect(read.fields).toMatch(words);
  },
);

test('deliveries are counted by message and recipient, and survive that the mail is deleted', async () => {
  const [sender, receiver] = [await server.mailbox(), await server.mailbox()];
  const message = {
    internetMessageHeaders: [{ name: 'X-Deskgraph-Outbound-Message', value: `row-${receiver}` }],
  };
  await send(sender, to(receiver, receiver.toUpperCase()), message);
  await send(sender, to(receiver), message);
  for (const { id } of await inbox(receiver)) {
    await server.graph('POST', `/users/${receiver}/messages/${id}/permanentDelete`);
  }
  const { body } = await server.control<Deliveries>(
    'GET',
    `/deliveries?outboundMessage=${encodeURIComponent(`row-${receiver}`)}`,
  );
  expect(body.deliveries.map(({ recipient, outcome, count }) => [recipient, outcome, count])).toEqual([
    [receiver, 'DELIVERED', 1],
    [receiver, 'DELIVERED', 1],
  ]);
  expect(body.underWay).toBe(0);
});
