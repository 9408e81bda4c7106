import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import type { AccessTokens } from '../../src/microsoft365/access-token.ts';
import { createOwnBudget } from '../../src/microsoft365/graph-budget.ts';
import { createGraphClient } from '../../src/microsoft365/graph-client.ts';
import type { GraphErrorCode } from '../../src/microsoft365/graph-error.ts';
import { createGraphGate } from '../../src/microsoft365/graph-gate.ts';
import { createGraphTransport } from '../../src/microsoft365/graph-transport.ts';
import type { MailboxAccess } from '../../src/microsoft365/mail.ts';
import { createPushApi } from '../../src/microsoft365/push-api.ts';
import { pushErrorCodeOf } from '../../src/microsoft365/push-failure.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const IN_A_WEEK = new Date('2026-11-28T10:00:00Z');
const MAILBOX: MailboxAccess = {
  organizationId: 'organization',
  accountId: 'account',
  emailAddress: 'support@contoso.example',
  kind: 'PRIMARY',
};
const WANTED = {
  folderId: "AAA'=",
  notificationUrl: 'https://desk.example/webhooks/microsoft-graph',
  lifecycleNotificationUrl: 'https://desk.example/webhooks/microsoft-graph/lifecycle',
  clientState: 'secret',
  expiresAt: IN_A_WEEK,
};
const signal = AbortSignal.timeout(60_000);
const tokens: AccessTokens = {
  get: async () => ({
    value: 'token',
    expiresAt: IN_A_WEEK,
    issuedAt: null,
    cloud: 'GLOBAL',
    clientId: 'app',
    tenantId: 'tenant',
  }),
  recheck: () => Promise.reject(new Error('nobody asks')),
  forget: () => undefined,
  giveUp: async () => undefined,
};

interface Asked {
  method: string;
  url: string;
  prefer: string | undefined;
  body: unknown;
}
type Answer = [status: number, body?: unknown];

/** A server that stands for Graph and gives these answers one after the other. */
async function startGraph(...answers: Answer[]) {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const body = await text(request);
    asked.push({
      method: request.method ?? '',
      url: request.url ?? '',
      prefer: request.headers['prefer'] as string | undefined,
      body: body === '' ? null : JSON.parse(body),
    });
    const [status, answer] = answers.shift() ?? [500];
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(answer === undefined ? '' : JSON.stringify(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = createGraphClient({
    transport: createGraphTransport({ loginUrl: null, graphUrl: url }),
    tokens,
    gate: createGraphGate(),
    budget: createOwnBudget(),
    clock: { now: () => NOW },
    observer: {},
    random: () => 0,
  });
  return { push: createPushApi({ client, clock: { now: () => NOW } }), asked };
}

const subscription = (id: string, expirationDateTime = IN_A_WEEK.toISOString()) => ({
  '@odata.context': 'ignored',
  id,
  resource: "me/mailFolders('AAA')/messages",
  notificationUrl: WANTED.notificationUrl,
  clientState: null,
  expirationDateTime,
});
const refusal = (code: string, message: string) => ({ error: { code, message } });

test('a subscription is asked for with immutable ids, both URLs and the folder, quoted as OData quotes', async () => {
  const { push, asked } = await startGraph([201, subscription('s1', '2026-11-27T10:00:00.1234567Z')]);
  const created = await push.create(MAILBOX, WANTED, signal);
  expect(created).toMatchObject({ id: 's1', expiresAt: new Date('2026-11-27T10:00:00.123Z') });
  expect(asked).toMatchObject([
    {
      method: 'POST',
      url: '/v1.0/subscriptions',
      body: {
        changeType: 'created',
        notificationUrl: WANTED.notificationUrl,
        lifecycleNotificationUrl: WANTED.lifecycleNotificationUrl,
        resource: "me/mailFolders('AAA''=')/messages",
        expirationDateTime: IN_A_WEEK.toISOString(),
        clientState: 'secret',
      },
    },
  ]);
  expect(asked[0]?.prefer).toContain('IdType="ImmutableId"');
});

test('a life that Microsoft finds too long is asked for once more with 4,230 minutes', async () => {
  const tooLong = refusal(
    'InvalidRequest',
    'Subscription expiration can only be 4230 minutes in the future.',
  );
  const { push, asked } = await startGraph(
    [400, tooLong],
    [201, subscription('s1')],
    [400, tooLong],
    [400, tooLong],
  );
  await push.create(MAILBOX, WANTED, signal);
  expect(asked[1]?.body).toMatchObject({ expirationDateTime: '2026-11-24T10:30:00.000Z' });
  await expect(push.renew(MAILBOX, 's1', IN_A_WEEK, signal)).rejects.toMatchObject({ code: 'PUSH_REFUSED' });
  expect(asked).toHaveLength(4);
});

test('a renewal is one PATCH, and a subscription that is gone says so', async () => {
  const { push, asked } = await startGraph(
    [200, subscription('s1')],
    [404, refusal('ResourceNotFound', 'The object was not found.')],
  );
  expect(await push.renew(MAILBOX, 's/1', IN_A_WEEK, signal)).toMatchObject({ expiresAt: IN_A_WEEK });
  expect(asked).toMatchObject([
    {
      method: 'PATCH',
      url: '/v1.0/subscriptions/s%2F1',
      body: { expirationDateTime: IN_A_WEEK.toISOString() },
    },
  ]);
  await expect(push.renew(MAILBOX, 's1', IN_A_WEEK, signal)).rejects.toMatchObject({
    code: 'SUBSCRIPTION_NOT_FOUND',
  });
});

test('removing what is gone already is no error, any other refusal is', async () => {
  const { push } = await startGraph(
    [204],
    [404, refusal('ResourceNotFound', '')],
    [403, refusal('Forbidden', '')],
  );
  await push.remove(MAILBOX, 's1', signal);
  await push.remove(MAILBOX, 's1', signal);
  await expect(push.remove(MAILBOX, 's1', signal)).rejects.toMatchObject({ code: 'PUSH_REFUSED' });
});

test('listing reads every page once, whatever the links say', async () => {
  const page = (...ids: string[]) => ({
    value: ids.map((id) => subscription(id)),
    '@odata.nextLink': 'https://graph.microsoft.com/v1.0/subscriptions?$skiptoken=2',
  });
  const { push, asked } = await startGraph([200, page('a', 'b')], [200, page('c')]);
  expect((await push.list(MAILBOX, signal)).map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  expect(asked).toHaveLength(2);
});

test('the list of a tenant with more than a thousand mailboxes is read to its end', async () => {
  const pages = Array.from({ length: 15 }, (_page, page): [number, object] => [
    200,
    {
      value: Array.from({ length: 100 }, (_item, item) => subscription(`${page}-${item}`)),
      ...(page < 14
        ? { '@odata.nextLink': `https://graph.microsoft.com/v1.0/subscriptions?$skiptoken=${page}` }
        : {}),
    },
  ]);
  const { push } = await startGraph(...pages);
  expect(await push.list({ ...MAILBOX, kind: 'TENANT' }, signal)).toHaveLength(1_500);
});

test('an answer in an unknown form is an error of its own', async () => {
  const { push } = await startGraph([201, { id: 7 }], [200, {}]);
  await expect(push.create(MAILBOX, WANTED, signal)).rejects.toMatchObject({ code: 'UNEXPECTED_ANSWER' });
  await expect(push.list(MAILBOX, signal)).rejects.toMatchObject({ code: 'UNEXPECTED_ANSWER' });
});

test('a mailbox that Graph does not find refuses a creation', async () => {
  const { push } = await startGraph([
    404,
    refusal('ExtensionError', 'Operation: Create; Exception: [NotFound]'),
  ]);
  await expect(push.create(MAILBOX, WANTED, signal)).rejects.toMatchObject({
    code: 'PUSH_REFUSED',
    microsoftCode: 'ExtensionError',
  });
});

// The sentences of graph-details.md, 1.9.
test.each<[number, string, string, GraphErrorCode | null]>([
  [400, 'InvalidRequest', 'Subscription validation request timed out.', 'PUSH_VALIDATION_FAILED'],
  [
    400,
    'ValidationError',
    "Subscription validation request failed. HTTP status code is 'NotFound'.",
    'PUSH_VALIDATION_FAILED',
  ],
  [400, 'BadRequest', 'Notification endpoint must respond with 200 OK.', 'PUSH_VALIDATION_FAILED'],
  [400, 'ValidationError', 'The expirationDateTime is not valid.', 'PUSH_REFUSED'],
  [400, 'InvalidRequest', 'Resource is not supported.', 'PUSH_REFUSED'],
  [403, 'ExtensionError', 'Operation: Create; Exception: [Status Code: Forbidden]', 'PUSH_REFUSED'],
  [403, 'Forbidden', 'The subscription limit of 1000 is reached.', 'PUSH_QUOTA'],
  [409, 'Conflict', 'Subscription Id x already exists for the requested combination.', 'PUSH_DUPLICATE'],
  [404, 'ResourceNotFound', '', 'SUBSCRIPTION_NOT_FOUND'],
  [401, 'InvalidAuthenticationToken', '', null],
  [429, 'TooManyRequests', '', null],
  [503, 'ServiceUnavailable', 'limit', null],
])('%d %s "%s" means %s', (status, code, message, expected) => {
  expect(pushErrorCodeOf(status, code.toLowerCase(), message)).toBe(expected);
});
