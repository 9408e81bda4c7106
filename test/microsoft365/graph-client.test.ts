import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { AccessTokens } from '../../src/microsoft365/access-token.ts';
import { createOwnBudget } from '../../src/microsoft365/graph-budget.ts';
import {
  createGraphClient,
  type GraphCall,
  type GraphObserver,
} from '../../src/microsoft365/graph-client.ts';
import { createGraphGate } from '../../src/microsoft365/graph-gate.ts';
import { DEFAULT_BUDGET, PATIENT_BUDGET } from '../../src/microsoft365/graph-retry.ts';
import { createGraphTransport } from '../../src/microsoft365/graph-transport.ts';
import type { MailboxAccess } from '../../src/microsoft365/mail.ts';
import { MINUTE, monotonicMilliseconds, systemClock } from '../../src/platform/clock.ts';
import { eventually, SLOW_MACHINE } from '../support/wait.ts';

let signal: AbortSignal;
beforeEach(() => {
  signal = AbortSignal.timeout(SLOW_MACHINE);
});
const mailboxOf = (emailAddress: string): MailboxAccess => ({
  organizationId: 'organization',
  accountId: 'account',
  emailAddress,
  kind: 'SHARED',
});
const MAILBOX = mailboxOf('support@contoso.example');
const scopeOf = (mailbox = MAILBOX) => ({ mailbox, signal, counter: null });
const GET: GraphCall = {
  operation: 'test.get',
  method: 'GET',
  target: '/users/x/messages',
  subject: 'MAILBOX',
};

/** Tokens that name how often they were refused. */
function fixedTokens(): AccessTokens & { givenUp: number } {
  return {
    givenUp: 0,
    async get(_account, _signal, rejected) {
      const value = rejected === undefined ? 'first-token' : 'second-token';
      const issuedAt = rejected === undefined ? null : performance.now();
      return {
        value,
        expiresAt: systemClock.now(),
        issuedAt,
        cloud: 'GLOBAL',
        clientId: 'app',
        tenantId: 'tenant',
      };
    },
    recheck: () => Promise.reject(new Error('nobody asks')),
    forget: () => undefined,
    async giveUp() {
      this.givenUp += 1;
    },
  };
}

/** A server that stands for Graph, and a client that thinks it is. */
async function startGraph(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  options: { attemptMilliseconds?: number; observer?: GraphObserver; random?: () => number } = {},
) {
  const server = createServer(handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const tokens = fixedTokens();
  const client = createGraphClient({
    transport: createGraphTransport({ loginUrl: null, graphUrl: url }),
    tokens,
    gate: createGraphGate(),
    budget: createOwnBudget(),
    clock: systemClock,
    observer: options.observer ?? {},
    random: options.random ?? (() => 0),
    ...(options.attemptMilliseconds === undefined
      ? {}
      : { attemptMilliseconds: options.attemptMilliseconds }),
  });
  return { client, url, tokens };
}

function answer(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}
const failure = (code: string) => ({ error: { code, message: 'no', innerError: { 'request-id': 'r-1' } } });

/** Answers each request with the next step; the last one again and again. */
function inTurn(...steps: ((request: IncomingMessage, response: ServerResponse) => void)[]) {
  let count = 0;
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    const step = steps[Math.min(count, steps.length - 1)];
    count += 1;
    step?.(request, response);
  };
  return Object.assign(handle, { requests: () => count });
}
const ok = (_request: IncomingMessage, response: ServerResponse) => answer(response, 200, { fine: true });
const refuse =
  (status: number, code: string, headers: Record<string, string> = {}) =>
  (_request: IncomingMessage, response: ServerResponse) =>
    answer(response, status, failure(code), headers);
const reset = (request: IncomingMessage) => request.socket.resetAndDestroy();

describe('each request', () => {
  test('asks for immutable ids in one Prefer header, names itself, and carries the token', async () => {
    let headers: IncomingMessage['headers'] = {};
    const { client } = await startGraph((request, response) => {
      headers = request.headers;
      ok(request, response);
    });
    await client.json({ ...GET, preferences: ['odata.maxpagesize=100'] }, scopeOf());
    expect(headers['prefer']).toBe('IdType="ImmutableId", odata.maxpagesize=100');
    expect(headers['client-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers.authorization).toBe('Bearer first-token');
  });

  test('sends opaque links exactly as they came, under either root', async () => {
    const seen: (string | undefined)[] = [];
    const { client, url } = await startGraph((request, response) => {
      seen.push(request.url);
      ok(request, response);
    });
    const path = "/v1.0/users('a')/messages/delta()?b=2&$select=id&a=1&a=3&$deltatoken=x%2By%3D&bare";
    await client.json({ ...GET, target: `${url}${path}` }, scopeOf());
    await client.json({ ...GET, target: `https://graph.microsoft.com${path}` }, scopeOf());
    expect(seen).toEqual([path, path]);
  });

  test.each([
    'https://evil.example/v1.0/me',
    'https://graph.microsoft.com.evil.example/v1.0/me',
    'https://graph.microsoft.com@evil.example/v1.0/me',
    'http://graph.microsoft.com/v1.0/me',
    'https://graph.microsoft.com:8443/v1.0/me',
    'ftp://graph.microsoft.com/v1.0/me',
    'not a link',
  ])('never follows %s', async (target) => {
    const { client } = await startGraph(ok);
    await expect(client.json({ ...GET, target }, scopeOf())).rejects.toMatchObject({ code: 'FOREIGN_LINK' });
  });

  test('does not carry the token along a redirect to another host', async () => {
    let foreign = 0;
    const { url: elsewhere } = await startGraph((request, response) => {
      foreign += 1;
      ok(request, response);
    });
    const { client } = await startGraph((_request, response) => {
      response.writeHead(302, { location: `${elsewhere}/v1.0/me` }).end();
    });
    await expect(client.json(GET, scopeOf())).rejects.toMatchObject({ code: 'FOREIGN_LINK' });
    expect(foreign).toBe(0);
  });
});

describe('is repeated', () => {
  test.each([
    ['503', refuse(503, 'ServiceUnavailable')],
    ['504', refuse(504, 'GatewayTimeout')],
    ['500', refuse(500, 'InternalServerError')],
    [
      '502 with a page of a proxy',
      (_: IncomingMessage, r: ServerResponse) => void r.writeHead(502).end('<html>'),
    ],
    ['429', refuse(429, 'ApplicationThrottled', { 'retry-after': '0.05' })],
    ['a connection reset', reset],
    [
      'an answer that breaks off',
      (request: IncomingMessage, response: ServerResponse) => {
        response.writeHead(200, { 'content-length': '1000' }).write('{"fi');
        setImmediate(() => request.socket.resetAndDestroy());
      },
    ],
  ])('after %s', async (_name, step) => {
    const handle = inTurn(step, ok);
    const { client } = await startGraph(handle);
    const counter = { requests: 0 };
    expect(await client.json(GET, { ...scopeOf(), counter })).toEqual({ fine: true });
    expect(counter.requests).toBe(2);
  });

  test('five times at most, and then says what went wrong', async () => {
    const handle = inTurn(refuse(503, 'ServiceUnavailable', { 'request-id': 'r-2' }));
    const { client } = await startGraph(handle);
    await expect(client.json(GET, scopeOf())).rejects.toMatchObject({
      code: 'GRAPH_UNAVAILABLE',
      status: 503,
      microsoftCode: 'ServiceUnavailable',
      requestId: 'r-2',
      isTransient: true,
    });
    expect(handle.requests()).toBe(5);
  });

  test('with a new token after 401, once; then a person is asked for', async () => {
    const tokensSeen: (string | undefined)[] = [];
    const { client, tokens } = await startGraph((request, response) => {
      tokensSeen.push(request.headers.authorization);
      answer(response, 401, failure('InvalidAuthenticationToken'));
    });
    await expect(client.json(GET, scopeOf())).rejects.toMatchObject({ code: 'SIGN_IN_REQUIRED' });
    expect(tokensSeen).toEqual(['Bearer first-token', 'Bearer second-token']);
    expect(tokens.givenUp).toBe(1);
  });

  test('and tells its observer', async () => {
    const requests: unknown[] = [];
    const retries: unknown[] = [];
    const observer: GraphObserver = {
      onRequest: ({ operation, status }) => requests.push([operation, status]),
      onRetry: ({ operation, status }) => retries.push([operation, status]),
    };
    const { client } = await startGraph(inTurn(reset, refuse(503, 'x'), ok), { observer });
    await client.json(GET, scopeOf());
    expect(requests).toEqual([
      ['test.get', null],
      ['test.get', 503],
      ['test.get', 200],
    ]);
    expect(retries).toEqual([
      ['test.get', null],
      ['test.get', 503],
    ]);
  });
});

describe('is not repeated', () => {
  const POST: GraphCall = { ...GET, operation: 'test.post', method: 'POST', body: { a: 1 } };

  test.each([
    ['503', refuse(503, 'ServiceUnavailable')],
    ['a connection reset', reset],
  ])('when it must not happen twice and the outcome is unknown: %s', async (_name, step) => {
    const handle = inTurn(step, ok);
    const { client } = await startGraph(handle);
    await expect(client.json(POST, scopeOf())).rejects.toMatchObject({ code: 'GRAPH_UNAVAILABLE' });
    expect(handle.requests()).toBe(1);
  });

  test('but is when it was refused before anything was done', async () => {
    const { client } = await startGraph(inTurn(refuse(429, 'TooManyRequests', { 'retry-after': '0' }), ok));
    expect(await client.json(POST, scopeOf())).toEqual({ fine: true });
  });

  test.each([
    [403, 'ErrorAccessDenied', 'MAILBOX_ACCESS_DENIED'],
    [404, 'ResourceNotFound', 'MAILBOX_NOT_FOUND'],
    [400, 'BadRequest', 'REQUEST_REFUSED'],
  ])('after %i %s', async (status, microsoftCode, code) => {
    const handle = inTurn(refuse(status, microsoftCode));
    const { client } = await startGraph(handle);
    await expect(client.json(GET, scopeOf())).rejects.toMatchObject({
      code,
      microsoftCode,
      requestId: 'r-1',
    });
    expect(handle.requests()).toBe(1);
  });
});

describe('a mailbox', () => {
  /** Keeps requests open until so many have come, and each a little longer; counts how many are at the same time. */
  function holding(expected: number) {
    const open: ServerResponse[] = [];
    let most = 0;
    const full = Promise.withResolvers<void>();
    return {
      handle: async (_request: IncomingMessage, response: ServerResponse) => {
        open.push(response);
        most = Math.max(most, open.length);
        if (most >= expected) full.resolve();
        await full.promise;
        setTimeout(() => {
          open.splice(open.indexOf(response), 1);
          answer(response, 200, {});
        }, 20);
      },
      most: () => most,
    };
  }

  test('has four requests under way at most; another one has its own four', async () => {
    const one = holding(4);
    const { client } = await startGraph(one.handle);
    await Promise.all(Array.from({ length: 20 }, () => client.json(GET, scopeOf())));
    expect(one.most()).toBe(4);
    const two = holding(8);
    const { client: both } = await startGraph(two.handle);
    const other = mailboxOf('sales@contoso.example');
    await Promise.all(
      Array.from({ length: 10 }, () => [both.json(GET, scopeOf()), both.json(GET, scopeOf(other))]).flat(),
    );
    expect(two.most()).toBe(8);
  });

  test('is alone with a batch', async () => {
    const underWay = new Set<string>();
    const together: string[][] = [];
    const { client } = await startGraph((request, response) => {
      underWay.add(`${request.method} ${together.length}`);
      together.push([...underWay].map((name) => name.split(' ')[0] ?? ''));
      const name = [...underWay].at(-1) ?? '';
      setTimeout(() => {
        underWay.delete(name);
        answer(response, 200, {});
      }, 10);
    });
    const BATCH: GraphCall = {
      ...GET,
      method: 'POST',
      body: {},
      isRepeatable: true,
      parts: 20,
    };
    await Promise.all([GET, GET, BATCH, GET, BATCH, GET].map((call) => client.json(call, scopeOf())));
    for (const names of together.filter((one) => one.includes('POST'))) expect(names).toEqual(['POST']);
  });

  test('that is throttled waits as long as it was told, and nobody else does', async () => {
    const answeredAt = new Map<string, number[]>();
    let isFirst = true;
    const paused = Promise.withResolvers<void>();
    const observer: GraphObserver = { onRetry: () => paused.resolve() };
    const handle = (request: IncomingMessage, response: ServerResponse) => {
      const name = request.url?.includes('busy') ? 'busy' : 'quiet';
      if (name === 'busy' && isFirst) {
        isFirst = false;
        return answer(response, 429, failure('ApplicationThrottled'), { 'retry-after': '0.4' });
      }
      answeredAt.set(name, [...(answeredAt.get(name) ?? []), monotonicMilliseconds()]);
      ok(request, response);
    };
    const { client } = await startGraph(handle, { observer });
    const busy = scopeOf(mailboxOf('busy@contoso.example'));
    const quiet = scopeOf(mailboxOf('quiet@contoso.example'));
    const startedAt = monotonicMilliseconds();
    const BUSY = { ...GET, target: '/users/busy/messages', budget: PATIENT_BUDGET };
    // Who has no patience at all is sent away by any pause, however soon it is over.
    const IMPATIENT = { ...GET, budget: { ...DEFAULT_BUDGET, pauseMilliseconds: 0 } };
    const throttled = client.json(BUSY, busy);
    // Those that come while it is paused wait, too.
    const later = paused.promise.then(() => client.json(BUSY, busy));
    await paused.promise;
    expect(await client.json(IMPATIENT, quiet)).toEqual({ fine: true });
    await Promise.all([throttled, later]);
    expect(answeredAt.get('busy')).toHaveLength(2);
    for (const at of answeredAt.get('busy') ?? []) expect(at - startedAt).toBeGreaterThanOrEqual(400);
  });

  test('that is paused for longer than anybody waits says so at once', async () => {
    const handle = inTurn(refuse(429, 'ApplicationThrottled', { 'retry-after': '600' }), ok);
    const { client } = await startGraph(handle);
    await expect(client.json(GET, scopeOf())).rejects.toMatchObject({
      code: 'THROTTLED',
      retryAfterMilliseconds: 10 * MINUTE,
    });
    await expect(client.json(GET, scopeOf())).rejects.toMatchObject({ code: 'THROTTLED' });
    expect(handle.requests()).toBe(1);
  });
});

describe('ends', () => {
  const silent = () => undefined;

  test('when Graph does not answer, or stops in the middle of an answer', async () => {
    const { client } = await startGraph(silent, { attemptMilliseconds: 50 });
    const POST: GraphCall = { ...GET, method: 'POST', body: {} };
    await expect(client.json(POST, scopeOf())).rejects.toMatchObject({
      code: 'GRAPH_TIMEOUT',
      isTransient: true,
    });
    const { client: half } = await startGraph(
      (_request, response) => void response.writeHead(200).write('{"half":'),
      { attemptMilliseconds: 50 },
    );
    await expect(half.json(POST, scopeOf())).rejects.toMatchObject({ code: 'GRAPH_TIMEOUT' });
  });

  test("with the caller's signal, under way and in the line, and gives its place back", async () => {
    const waiting: ServerResponse[] = [];
    const { client } = await startGraph((request, response) => {
      if (request.url?.includes('later')) return ok(request, response);
      waiting.push(response);
    });
    const caller = new AbortController();
    const reason = new Error('no longer wanted');
    const calls = Array.from({ length: 6 }, () =>
      client.json(GET, { mailbox: MAILBOX, signal: caller.signal, counter: null }),
    );
    const settled = Promise.allSettled(calls);
    await eventually('four are under way', () => waiting.length === 4);
    caller.abort(reason);
    for (const result of await settled) expect(result).toEqual({ status: 'rejected', reason });
    expect(await client.json({ ...GET, target: '/users/later' }, scopeOf())).toEqual({ fine: true });
  });

  test('a stream that stands still, and a stream that nobody reads, give their place back', async () => {
    const { client } = await startGraph(
      (request, response) => {
        if (request.url?.includes('later')) return ok(request, response);
        response.writeHead(200).write('some bytes');
      },
      { attemptMilliseconds: 50 },
    );
    const stream = await client.stream(GET, scopeOf());
    await expect(
      (async () => {
        for await (const _chunk of stream);
      })(),
    ).rejects.toMatchObject({ code: 'GRAPH_TIMEOUT' });
    for (let index = 0; index < 4; index += 1) await client.stream(GET, scopeOf());
    expect(await client.json({ ...GET, target: '/users/later' }, scopeOf())).toEqual({ fine: true });
  });
});
