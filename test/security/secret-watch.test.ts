import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { randomToken } from '../../src/platform/secrets.ts';
import { signIn } from '../access/harness.ts';
import { type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { overheard, SecretWatch, secretWatch } from '../support/secret-watch.ts';

/* What the whole suite relies on: the server of every test file is listened to, and its last hook fails the file. */

let app: TestApp;
let desk: Desk;
beforeAll(async () => {
  app = await startTestApp();
  desk = await app.newDesk();
});
afterAll(() => app?.[Symbol.asyncDispose]());

describe('a planted secret', () => {
  const secret = randomToken(700);
  const apiKey = `dg_${randomToken()}`;
  const planted = (text: string, source: 'LOG' | 'ANSWER' | 'MINTING' = 'LOG') => {
    const watch = new SecretWatch();
    watch.hear(source, '{"msg":"before"}');
    watch.hear(source, text);
    // Known only after it was told.
    watch.learn('refresh_token', secret);
    watch.learn('API key', apiKey);
    const leaks = watch.leaks();
    watch.close();
    return leaks;
  };

  test.each([
    ['as it is', secret],
    ['within a word', `x${secret}y`],
    ['cut off', secret.slice(0, 300)],
    ['in an address', `https://x/?t=${encodeURIComponent(secret)}`],
    ['in hexadecimal', Buffer.from(secret).toString('hex')],
    ...['', 'a', 'ab'].map((before): [string, string] => [
      `in base64, ${before.length} behind`,
      Buffer.from(`${before}${secret}`).toString('base64'),
    ]),
  ])('is found %s, and the report names its kind and the line, and does not tell it', (_name, text) => {
    const leaks = planted(JSON.stringify({ msg: 'Hello', text }));
    expect(leaks).toEqual([{ source: 'LOG', kind: 'refresh_token', near: 'Hello' }]);
    expect(planted(JSON.stringify({ msg: text }))[0]?.near).toBe('(not to be shown)');
  });

  test('is found across the border of two chunks, and far into much text', () => {
    for (const before of [1_048_576 - 350, 1_048_576 + 10, 1_900_000]) {
      expect(planted(`{"msg":"Far"}\n${'-'.repeat(before)}${secret}`)[0]?.kind).toBe('refresh_token');
    }
  });

  test('what is no secret is not found', () => {
    expect(planted(randomToken(700))).toEqual([]);
    expect(planted(Buffer.from(secret).reverse().toString())).toEqual([]);
  });

  test('a new API key may stand in the answer that makes it, and nothing else there', () => {
    expect(planted(apiKey, 'MINTING')).toEqual([]);
    expect(planted(apiKey, 'ANSWER')).toMatchObject([{ kind: 'API key' }]);
    expect(planted(secret, 'MINTING')).toMatchObject([{ kind: 'refresh_token' }]);
  });

  test('is heard in a log of which the test reads warnings alone, and sees no more than those', () => {
    const read: string[] = [];
    const logger = overheard(createLogger('warn', { write: (line) => void read.push(line) }));
    const before = secretWatch().heardBytes.LOG;
    logger.child({ component: 'child' }).trace('a trace');
    expect(secretWatch().heardBytes.LOG).toBeGreaterThan(before);
    logger.warn('a warning');
    expect(read.map((line) => JSON.parse(line).msg)).toEqual(['a warning']);
  });
});

describe('the server of a test file', () => {
  test('is listened to: its log, its answers, and every kind of secret that it handles', async () => {
    const { mailboxId, address } = await desk.connectMailbox();
    await desk.enable(mailboxId);
    await deliver(app.emulator.url, { to: address, subject: 'Heard', text: 'Hello' });
    await desk.sync(mailboxId);
    const { user } = await signIn(app.database, desk.organizationId, 'AGENT');
    const { createApiKey } = await desk.request<{ createApiKey: { secret: string } }>(
      `mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { ... on CreateApiKeyPayload { secret } } }`,
      { input: { userId: encodeGlobalId('User', user.id), name: 'shown once' } },
    );
    secretWatch().learn('API key', createApiKey.secret);
    const { heardBytes, secrets } = secretWatch();
    expect(heardBytes.LOG).toBeGreaterThan(1_000);
    expect(heardBytes.ANSWER).toBeGreaterThan(1_000);
    expect(heardBytes.MINTING).toBeGreaterThan(20);
    expect([...secrets.kinds.keys()]).toEqual(
      expect.arrayContaining([
        'encryption key',
        'admin key',
        'API key',
        'clientSecret',
        'code',
        'code_verifier',
        'access_token',
        'refresh_token',
        'id_token',
      ]),
    );
    expect(secretWatch().leaks()).toEqual([]);
  });
});
