import { expect, test } from 'vitest';
import { isFaultOfData } from '../../src/sync/store-failure.ts';

const withCode = (code: string) => Object.assign(new Error('x'), { code });

test.each([
  ['a value that PostgreSQL refuses', withCode('22021'), true],
  ['a broken constraint', withCode('23514'), true],
  ['a bug of ours that one mail triggers', new TypeError('x is undefined'), true],
  ['a deadlock', withCode('40P01'), false],
  ['a server that shuts down', withCode('57P01'), false],
  ['nobody listens', withCode('ECONNREFUSED'), false],
  ['a connection that broke without a word', new Error('Connection terminated unexpectedly'), false],
  [
    'a connection that broke before',
    new Error('Client has encountered a connection error and is not queryable'),
    false,
  ],
  ['a pool that gives no connection', new Error('timeout exceeded when trying to connect'), false],
  ['a process that stops', new DOMException('This operation was aborted', 'AbortError'), false],
])('%s: whether it is the fault of the mail', (_name, error, expected) => {
  expect(isFaultOfData(error)).toBe(expected);
});
