import { expect, test } from 'vitest';
import {
  adoptConsole,
  createLogger,
  currentCorrelationId,
  type Logger,
  SECRET_NAMES,
  withCorrelation,
} from '../../src/platform/logger.ts';

/** A log that is read back line by line, as it was written. */
function readableLog(level = 'trace'): { logger: Logger; lines(): string[] } {
  const written: string[] = [];
  const logger = createLogger(level, { write: (text) => void written.push(text) });
  return { logger, lines: () => written };
}

const SECRET = 'hunter2 "quoted" \\ and\nmore';

/** What a secret looks like inside a line. */
const leaked = (line: string | undefined) => line?.includes('hunter2');

test.each(SECRET_NAMES)('the value of "%s" is never written, wherever it is', (name) => {
  const { logger, lines } = readableLog();
  logger.info({ [name]: SECRET }, 'at the top');
  logger.info({ one: { [name]: SECRET } }, 'nested');
  logger.info({ one: { two: { three: { four: { [name]: SECRET } } } } }, 'deep');
  logger.info({ list: [{ [name]: SECRET }] }, 'in a list');
  logger.info({ err: Object.assign(new Error('failed'), { [name]: SECRET }) }, 'on an error');
  logger.info(
    { err: Object.assign(new Error('failed'), { config: { headers: { [name]: SECRET } } }) },
    'in the headers of a request on an error',
  );
  logger.info({ headers: { [name.toUpperCase()]: SECRET } }, 'in capitals');
  logger.child({ [name]: SECRET }).info('bound to a child');
  logger.child({ request: { headers: { [name]: SECRET } } }).info('bound deep to a child');
  expect(lines()).toHaveLength(9);
  expect(lines().filter(leaked)).toEqual([]);
  for (const line of lines()) expect(JSON.parse(line)).toBeTypeOf('object');
});

test.each(SECRET_NAMES)('lists and objects under "%s" are not written either', (name) => {
  const { logger, lines } = readableLog();
  logger.info({ [name]: [SECRET, SECRET] }, 'a list');
  logger.info({ headers: { [name]: { value: SECRET } } }, 'an object');
  logger.info({ one: { two: { three: { [name]: [SECRET, SECRET] } } } }, 'a list deep down');
  expect(lines().filter(leaked)).toEqual([]);
  for (const line of lines()) expect(JSON.parse(line)).toBeTypeOf('object');
});

test('the code of an authorization answer is not written, and the code of an error is', () => {
  const { logger, lines } = readableLog();
  logger.info({ query: { code: SECRET } }, 'callback');
  logger.info({ req: { query: { code: SECRET } } }, 'callback');
  logger.error({ err: Object.assign(new Error('failed'), { code: 'ECONNREFUSED' }) }, 'failed');
  expect(lines().filter(leaked)).toEqual([]);
  expect(lines()[2]).toContain('"code":"ECONNREFUSED"');
});

test('what is no secret is written as it is', () => {
  const { logger, lines } = readableLog();
  logger.info({ ticketId: '1', passwordResetAllowed: true, text: 'password: see "secret":"x"' }, 'kept');
  expect(JSON.parse(lines()[0] ?? '')).toMatchObject({
    ticketId: '1',
    passwordResetAllowed: true,
    text: 'password: see "secret":"x"',
    msg: 'kept',
  });
});

test('an error is written with its type, message, stack and cause', () => {
  const { logger, lines } = readableLog();
  logger.error({ err: new TypeError('failed', { cause: new Error('the cause') }) }, 'oh');
  const { err } = JSON.parse(lines()[0] ?? '') as { err: Record<string, string> };
  expect(err).toMatchObject({ type: 'TypeError', message: expect.stringContaining('failed') });
  expect(err['stack']).toContain('the cause');
});

test('every line inside carries the correlation id, also after waits, and none outside', async () => {
  const { logger, lines } = readableLog();
  await Promise.all(
    ['a', 'b'].map((id) =>
      withCorrelation(id, async () => {
        await new Promise((resolve) => setImmediate(resolve));
        logger.info({ expected: id }, 'inside');
      }),
    ),
  );
  logger.info('outside');
  const written = lines().map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(written.slice(0, 2).map((line) => line['correlationId'])).toEqual(
    written.slice(0, 2).map((line) => line['expected']),
  );
  expect(written[2]).not.toHaveProperty('correlationId');
  expect(currentCorrelationId()).toBeUndefined();
});

test('work without a given correlation id gets one of its own', () => {
  const ids = [
    withCorrelation(undefined, currentCorrelationId),
    withCorrelation(undefined, currentCorrelationId),
  ];
  expect(ids[0]).toMatch(/^[0-9a-f-]{36}$/);
  expect(ids[0]).not.toBe(ids[1]);
});

test('lines below the level are not written', () => {
  const { logger, lines } = readableLog('warn');
  logger.info('no');
  logger.warn('yes');
  expect(lines()).toHaveLength(1);
});

test('what a library prints with console is a line of the log, and only then', () => {
  const { logger, lines } = readableLog();
  const giveBack = adoptConsole(logger);
  try {
    // biome-ignore lint/suspicious/noConsole: it stands for a library's
    console.error('`query` failed in the %s', 'background');
  } finally {
    giveBack();
  }
  expect(lines().map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({ component: 'console', msg: '`query` failed in the background' }),
  ]);
});
