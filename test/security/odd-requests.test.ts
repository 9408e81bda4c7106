import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { handshake, plain, rawRequest, statusOf } from './raw-request.ts';

/*
 * Requests that nobody needs a key for. What one of them throws outside of a route ends the process: see main.ts.
 */

let app: TestApp;
const uncaught: unknown[] = [];
const onUncaught = (error: unknown) => void uncaught.push(error);
beforeAll(async () => {
  app = await startTestApp();
  process.on('uncaughtException', onUncaught);
});
afterAll(async () => {
  process.off('uncaughtException', onUncaught);
  await app?.[Symbol.asyncDispose]();
});

/** Targets that are no URL, or one of another server. */
const ODD_TARGETS = [
  '//',
  '///',
  '/\\',
  'http://[',
  'http://x:99999/graphql',
  '*',
  '//graphql',
  '/%',
  '/%00',
];

test.each(ODD_TARGETS)('a WebSocket handshake for %s is refused, and ends nothing', async (target) => {
  const status = statusOf(await rawRequest(app.url, handshake(target)));
  expect([400, 404]).toContain(status);
  expect(uncaught).toEqual([]);
});

test.each(ODD_TARGETS)('a request for %s is refused, and ends nothing', async (target) => {
  const status = statusOf(await rawRequest(app.url, plain(target)));
  expect([400, 404]).toContain(status);
  expect(uncaught).toEqual([]);
});

test.each(['', 'a b', '[', 'evil.example/..', 'user@evil.example', 'a:99999', '/graphql?'])(
  'a host that is none is refused: "%s"',
  async (host) => {
    expect(statusOf(await rawRequest(app.url, plain('/livez', { Host: host })))).toBe(400);
    const status = statusOf(await rawRequest(app.url, handshake('/graphql', { Host: host })));
    expect(status).toBeGreaterThan(0);
    expect(uncaught).toEqual([]);
  },
);

test.each(['/', '%2f', '..%2f..%2fetc%2fpasswd', '../../etc/passwd', '%', '%00', '%ff', 'QXR0YWNobWVudDox'])(
  'an attachment is found by its id alone, never by a path: %s',
  async (path) => {
    const desk = await app.newDesk();
    const answer = await rawRequest(
      app.url,
      plain(`/attachments/${path}`, { Authorization: `Bearer ${desk.apiKey}` }),
    );
    expect(statusOf(answer)).toBe(404);
    expect(answer).toContain('"NOT_FOUND"');
  },
);

test.each(['variables={', 'variables=%00', 'variables=undefined', 'extensions={', 'extensions=%ff'])(
  'a GET query with %s is the caller’s mistake, and says so',
  async (parameter) => {
    const response = await fetch(`${app.url}/graphql?query=%7B__typename%7D&${parameter}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      errors: [{ extensions: { code: 'BAD_REQUEST', remedy: expect.any(String) } }],
    });
  },
);

test('two requests in one, as smugglers send them, are refused', async () => {
  const smuggled = plain('/livez', { 'Content-Length': '5', 'Transfer-Encoding': 'chunked' }, 'POST');
  expect(statusOf(await rawRequest(app.url, `${smuggled}0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n`))).toBe(400);
});

test('after all of it the process is ready', async () => {
  expect((await fetch(`${app.url}/readyz`)).status).toBe(200);
  expect(uncaught).toEqual([]);
});
