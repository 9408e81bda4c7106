import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { SLOW_MACHINE } from '../support/wait.ts';

/*
 * Requests within every documented limit, without credentials, that once held the process for minutes. The limit is not
 * about speed: what is refused as it should be takes milliseconds.
 */

/** Of processor time: what else the machine has to do does not count. */
const LONGEST_MILLISECONDS = 10_000;
let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

async function post(query: string, variables?: unknown): Promise<string> {
  const before = process.cpuUsage();
  const response = await fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(SLOW_MACHINE),
  });
  expect(response.status).toBeLessThan(500);
  const text = await response.text();
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1_000).toBeLessThan(LONGEST_MILLISECONDS);
  return text;
}

const TICKETS = 'query ($f: TicketFilter) { tickets(filter: $f) { __typename } }';

test('a list of two hundred thousand wrong values is refused at once, with a few of its faults', async () => {
  const answer = await post(TICKETS, { f: { status: Array.from({ length: 200_000 }, () => '') } });
  expect(answer).toContain('"BAD_REQUEST"');
  expect(answer.length).toBeLessThan(100_000);
});

test('an object of fifty thousand unknown fields is refused at once', async () => {
  const fields = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`field${i}`, 1]));
  expect((await post(TICKETS, { f: fields })).length).toBeLessThan(100_000);
});

test.each([
  ['a value of 900,000 characters', 'x'.repeat(900_000)],
  ['a name of 900,000 characters', `{ ${'v'.repeat(900_000)} }`],
  ['900,000 commas', `${','.repeat(900_000)}{ __typename }`],
  [
    '1,900 long unknown names',
    `{ ${Array.from({ length: 1_900 }, (_, i) => `${'v'.repeat(400)}${i}`).join(' ')} }`,
  ],
])('a document of %s is answered at once', async (_, document) => {
  expect((await post(document)).length).toBeGreaterThan(0);
});

test('afterwards the process is ready', async () => {
  expect((await fetch(`${app.url}/readyz`, { signal: AbortSignal.timeout(SLOW_MACHINE) })).status).toBe(200);
});
