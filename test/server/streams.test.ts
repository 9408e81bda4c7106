import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { SYSTEM } from '../../src/access/actor.ts';
import { revokeApiKey } from '../../src/access/api-keys.ts';
import { updateUser } from '../../src/access/users.ts';
import { forkAcrossOrganizations, forkFor } from '../../src/platform/database.ts';
import { eventually } from '../support/wait.ts';
import {
  type Results,
  startTestServer,
  subscribeOverSocket,
  subscribeOverSse,
  type TestServer,
} from './harness.ts';
import { probeSchema } from './probe-schema.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ schema: probeSchema });
});
afterAll(() => server?.[Symbol.asyncDispose]());

/** Takes a permission away without telling anybody: only a check at the event itself can find out. */
async function demoteSilently(userId: string): Promise<void> {
  await forkAcrossOrganizations(server.own.database).execute(
    "update app_user set role = 'AGENT' where id = ?",
    [userId],
  );
}

/** Records an event until the subscriber, whose subscription takes a moment to stand, has seen one. */
async function firstTick(
  results: Results,
  organizationId: string,
): Promise<Awaited<ReturnType<Results['next']>>> {
  const first = results.next();
  let hasCome = false;
  first.finally(() => {
    hasCome = true;
  });
  await eventually('the subscription stands', async () => {
    await server.emit(organizationId, 'warm-up');
    return hasCome;
  });
  return first;
}

/** The next result that is not about the warm-up. */
async function nextTick(results: Results, field: string): Promise<Awaited<ReturnType<Results['next']>>> {
  for (;;) {
    const result = await results.next();
    const tick = result?.data?.[field] as { ticketId?: string } | undefined;
    if (tick?.ticketId !== 'warm-up') return result;
  }
}

const transports: [string, (key: string, query: string) => Promise<Results>][] = [
  ['WebSocket', async (key, query) => subscribeOverSocket(server.url, key, query)],
  ['event stream', (key, query) => subscribeOverSse(server.url, key, query)],
];

describe.each(transports)('subscriptions over %s', (_name, subscribe) => {
  test('deliver events with a cursor, and resume after it without gap or repetition', async () => {
    const { secret, organizationId } = await server.key('OWNER');
    const live = await subscribe(secret, 'subscription { ticks { cursor ticketId } }');
    await firstTick(live, organizationId);
    await server.emit(organizationId, 'one');
    const one = (await nextTick(live, 'ticks'))?.data?.['ticks'] as { cursor: string };
    expect(one).toMatchObject({ ticketId: 'one' });
    await live.stop();

    await server.emit(organizationId, 'two');
    await server.emit(organizationId, 'three');
    const resumed = await subscribe(secret, `subscription { ticks(after: "${one.cursor}") { ticketId } }`);
    expect(await resumed.next()).toEqual({ data: { ticks: { ticketId: 'two' } } });
    expect(await resumed.next()).toEqual({ data: { ticks: { ticketId: 'three' } } });
    await server.emit(organizationId, 'four');
    expect(await resumed.next()).toEqual({ data: { ticks: { ticketId: 'four' } } });
  });

  test('deliver nothing of another organization, and read rows of their own only', async () => {
    const mine = await server.key('OWNER');
    const other = await server.key('OWNER');
    const live = await subscribe(mine.secret, 'subscription { ticks { ticketId contactCount } }');
    await firstTick(live, mine.organizationId);
    await server.emit(other.organizationId, 'foreign');
    await server.emit(mine.organizationId, 'own');
    expect(await nextTick(live, 'ticks')).toEqual({ data: { ticks: { ticketId: 'own', contactCount: 0 } } });
  });

  test('refuse when they are opened: a role without the permission', async () => {
    const { secret } = await server.key('AGENT');
    const results = await subscribe(secret, 'subscription { ticks { ticketId } }');
    const refusal = await results.next().catch((thrown: unknown) => ({ errors: thrown }));
    expect(refusal).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
  });

  test('refuse: a cursor that is none', async () => {
    const { secret } = await server.key('OWNER');
    const results = await subscribe(secret, 'subscription { ticks(after: "garbage") { ticketId } }');
    const refusal = await results.next().catch((thrown: unknown) => ({ errors: thrown }));
    expect(refusal).toMatchObject({ errors: [{ extensions: { code: 'INVALID_CURSOR' } }] });
  });

  test('refuse the second event when the permission was taken away after the first', async () => {
    const { secret, organizationId, userId } = await server.key('ADMIN');
    const live = await subscribe(secret, 'subscription { ticks { ticketId } }');
    await firstTick(live, organizationId);
    await demoteSilently(userId);
    await server.emit(organizationId, 'second');
    const second = await nextTick(live, 'ticks');
    expect(second).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
    expect(JSON.stringify(second)).not.toContain('second');
  });

  // The control: this is why every type that a subscription brings must carry a scope (test/graphql/schema.test.ts).
  test('a scope on the field alone would let the second event through', async () => {
    const { secret, organizationId, userId } = await server.key('ADMIN');
    const live = await subscribe(secret, 'subscription { unguardedTicks { ticketId } }');
    await firstTick(live, organizationId);
    await demoteSilently(userId);
    await server.emit(organizationId, 'second');
    expect(await nextTick(live, 'unguardedTicks')).toMatchObject({
      data: { unguardedTicks: { ticketId: 'second' } },
    });
  });

  test('end at once when the key is revoked', async () => {
    const { secret, organizationId, apiKeyId } = await server.key('OWNER');
    const live = await subscribe(secret, 'subscription { ticks { ticketId } }');
    await firstTick(live, organizationId);
    const em = forkFor(server.own.database, organizationId);
    await revokeApiKey(em, { actor: SYSTEM, apiKeyId });
    await expect(endOf(live)).resolves.toMatch(/SESSION_ENDED|4403|Forbidden/);
  });

  test('end at once when the role is lowered', async () => {
    const { secret, organizationId, userId } = await server.key('ADMIN');
    const live = await subscribe(secret, 'subscription { ticks { ticketId } }');
    await firstTick(live, organizationId);
    const em = forkFor(server.own.database, organizationId);
    await updateUser(em, { actor: SYSTEM, userId, role: 'VIEWER' });
    await expect(endOf(live)).resolves.toMatch(/SESSION_ENDED|4403|Forbidden/);
  });

  test('give back what they held when the client leaves', async () => {
    const { secret, organizationId } = await server.key('OWNER');
    // The server hears of clients that have left, those of other tests as well, when it comes to it.
    await eventually('all others have left', () => server.services.events.subscriberCount === 0);
    const live = await subscribe(secret, 'subscription { ticks { ticketId } }');
    await firstTick(live, organizationId);
    expect(server.services.events.subscriberCount).toBe(1);
    await live.stop();
    await eventually('it is given back', () => server.services.events.subscriberCount === 0);
  });
});

/** All that a stream says from now to its end: errors, and how its connection was closed. */
async function endOf(results: Results): Promise<string> {
  const said: string[] = [];
  try {
    for (;;) {
      const result = await results.next();
      if (result === undefined) return [...said, 'completed'].join(' ');
      // An event that was under way when the permission went is refused by itself; the stream has to end all the same.
      if (result.errors) said.push(JSON.stringify(result.errors));
    }
  } catch (thrown) {
    const { code, reason } = thrown as { code?: number; reason?: string };
    return [...said, `${code} ${reason} ${String(thrown)}`].join(' ');
  }
}

describe('the graphql-transport-ws protocol', () => {
  /** A bare socket that says what it is told, and how the server closes it. */
  function connect(
    path = '/graphql',
    protocol = 'graphql-transport-ws',
    headers: Record<string, string> = {},
  ) {
    const socket = new WebSocket(server.url.replace('http', 'ws') + path, protocol, { headers });
    const closed = new Promise<{ code: number; reason: string }>((resolve) => {
      socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }));
    });
    const failed = new Promise<Error>((resolve) => socket.on('error', resolve));
    const opened = new Promise<void>((resolve) => socket.once('open', resolve));
    const messages: Record<string, unknown>[] = [];
    socket.on('message', (data) => messages.push(JSON.parse(String(data))));
    const send = async (message: object | string) => {
      await opened;
      socket.send(typeof message === 'string' ? message : JSON.stringify(message));
    };
    return { socket, closed, failed, messages, send };
  }
  const acknowledge = async (key: string) => {
    const connection = connect();
    await connection.send({ type: 'connection_init', payload: { authorization: `Bearer ${key}` } });
    await eventually('it is acknowledged', () => connection.messages.at(0)?.['type'] === 'connection_ack');
    connection.messages.length = 0;
    return connection;
  };

  test('without credentials the socket closes with 4401', async () => {
    const { send, closed } = connect();
    await send({ type: 'connection_init' });
    expect(await closed).toEqual({ code: 4401, reason: 'Unauthorized' });
  });

  test.each([`Bearer dg_${'x'.repeat(43)}`, 'nonsense', ''])(
    'with unknown credentials (%s) it closes with 4403',
    async (authorization) => {
      const { send, closed } = connect();
      await send({ type: 'connection_init', payload: { authorization } });
      expect(await closed).toEqual({ code: 4403, reason: 'Forbidden' });
    },
  );

  test('an operation before connection_init closes with 4401', async () => {
    const { send, closed } = connect();
    await send({ type: 'subscribe', id: '1', payload: { query: '{ __typename }' } });
    expect(await closed).toMatchObject({ code: 4401 });
  });

  test('a message that is none closes with 4400', async () => {
    const { send, closed } = connect();
    await send('nonsense');
    expect(await closed).toMatchObject({ code: 4400 });
  });

  test('another subprotocol is closed with 4406', async () => {
    const { closed } = connect('/graphql', 'graphql-ws');
    expect((await closed).code).toBeOneOf([1006, 4406]);
  });

  test('a second connection_init closes with 4429, a second operation of the same id with 4409', async () => {
    const { secret } = await server.key('OWNER');
    const twice = await acknowledge(secret);
    await twice.send({ type: 'connection_init', payload: { authorization: `Bearer ${secret}` } });
    expect(await twice.closed).toMatchObject({ code: 4429 });
    const same = await acknowledge(secret);
    const subscribe = {
      type: 'subscribe',
      id: '1',
      payload: { query: 'subscription { ticks { ticketId } }' },
    };
    await same.send(subscribe);
    await same.send(subscribe);
    expect(await same.closed).toMatchObject({ code: 4409 });
  });

  test('a message over the limit closes with 1009', async () => {
    const { send, closed } = connect();
    await send(' '.repeat(1_048_577));
    expect(await closed).toMatchObject({ code: 1009 });
  });

  test('another path and a page of another origin are refused before the upgrade', async () => {
    expect((await connect('/elsewhere').failed).message).toContain('404');
    const foreign = connect('/graphql', 'graphql-transport-ws', { origin: 'https://evil.example' });
    expect((await foreign.failed).message).toContain('403');
  });

  test('a document that does not parse or fit is an error of its operation, and the socket stays', async () => {
    const { secret } = await server.key('OWNER');
    const { send, messages, socket } = await acknowledge(secret);
    await send({ type: 'subscribe', id: '1', payload: { query: '{ probe {' } });
    await send({ type: 'subscribe', id: '2', payload: { query: '{ nothing }' } });
    await send({ type: 'subscribe', id: '3', payload: { query: '{ unexpected }' } });
    await send({ type: 'subscribe', id: '4', payload: { query: '{ probe { depth } }' } });
    await eventually(
      'each is answered',
      () => messages.filter(({ type }) => type !== 'complete').length >= 4,
    );
    const byId = Object.fromEntries(
      messages.filter(({ type }) => type !== 'complete').map((message) => [message['id'], message]),
    );
    expect(byId).toMatchObject({
      '1': { type: 'error', payload: [{ extensions: { code: 'GRAPHQL_PARSE_FAILED' } }] },
      '2': { type: 'error', payload: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }] },
      '3': {
        type: 'next',
        payload: {
          errors: [{ message: 'Unexpected error.', extensions: { code: 'INTERNAL_SERVER_ERROR' } }],
        },
      },
      '4': { type: 'next', payload: { data: { probe: { depth: 1 } } } },
    });
    expect(JSON.stringify(messages)).not.toMatch(/hunter2|"http"|"unexpected":true/);
    expect(socket.readyState).toBe(WebSocket.OPEN);
  });

  test('a query over the socket is checked with the role of now, not of the connection', async () => {
    const { secret, userId } = await server.key('ADMIN');
    const { send, messages } = await acknowledge(secret);
    await demoteSilently(userId);
    await send({ type: 'subscribe', id: '1', payload: { query: '{ secret }' } });
    expect(await eventually('it is answered', () => messages.at(0))).toMatchObject({
      payload: { errors: [{ extensions: { code: 'FORBIDDEN' } }] },
    });
  });

  test('fifty operations run on one socket; the next is refused', async () => {
    const { secret } = await server.key('OWNER');
    const { send, messages } = await acknowledge(secret);
    for (let id = 1; id <= 51; id += 1) {
      await send({
        type: 'subscribe',
        id: String(id),
        payload: { query: 'subscription { ticks { ticketId } }' },
      });
    }
    await eventually('one is answered', () => messages.length > 0);
    expect(messages).toMatchObject([
      { type: 'error', id: '51', payload: [{ extensions: { code: 'TOO_MANY_OPERATIONS' } }] },
    ]);
  });

  test('a hundred connections are held by one key; the next closes with 1013', async () => {
    const { secret } = await server.key('OWNER');
    const open = await Promise.all(Array.from({ length: 100 }, () => acknowledge(secret)));
    const next = connect();
    await next.send({ type: 'connection_init', payload: { authorization: `Bearer ${secret}` } });
    expect(await next.closed).toEqual({ code: 1013, reason: 'TOO_MANY_STREAMS' });
    const sse = await subscribeOverSse(server.url, secret, 'subscription { ticks { ticketId } }');
    expect(await sse.next()).toMatchObject({ errors: [{ extensions: { code: 'TOO_MANY_STREAMS' } }] });
    for (const { socket } of open) socket.close();
    await Promise.all(open.map(({ closed }) => closed));
    (await acknowledge(secret)).socket.close();
  });

  test('revoking the key closes the socket with 4403 although nothing happens on it', async () => {
    const { secret, organizationId, apiKeyId } = await server.key('OWNER');
    const { closed } = await acknowledge(secret);
    await revokeApiKey(forkFor(server.own.database, organizationId), { actor: SYSTEM, apiKeyId });
    expect(await closed).toEqual({ code: 4403, reason: 'Forbidden' });
  });
});

test('a stop closes sockets with 1001, tells event streams to resume, and ends', async () => {
  await using stopping = await startTestServer({ schema: probeSchema });
  const { secret, organizationId } = await stopping.key('OWNER');
  const socket = new WebSocket(`${stopping.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const closed = new Promise((resolve) => socket.once('close', (code) => resolve(code)));
  await new Promise((resolve) => socket.once('open', resolve));
  const acknowledged = new Promise((resolve) => socket.once('message', resolve));
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${secret}` } }));
  await acknowledged;
  const sse = await subscribeOverSse(stopping.url, secret, 'subscription { ticks { ticketId } }');
  const end = endOf(sse);
  await eventually('the stream stands', () => stopping.services.events.subscriberCount === 1);
  await stopping.close();
  expect(await closed).toBe(1001);
  expect(await end).toContain('SERVER_STOPPING');
  await expect(stopping.fetch('/livez')).rejects.toThrow();
  expect(stopping.services.events.subscriberCount).toBe(0);
  expect(stopping.services.sessions.size).toBe(0);
  expect(organizationId).toBeDefined();
});
