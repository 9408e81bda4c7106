import { expect, test } from 'vitest';
import { readMails } from '../../src/ticketing/read-mails.ts';
import { mail } from './fixtures.ts';

test('while a page is read, everybody else has their turn between two mails', async () => {
  const mails = Array.from({ length: 5 }, () => mail({}));
  let turns = 0;
  let isReading = true;
  const others = (async () => {
    while (isReading) {
      await new Promise((resolve) => setImmediate(resolve));
      turns += 1;
    }
  })();
  const read = await readMails(mails);
  isReading = false;
  await others;
  expect(turns).toBeGreaterThanOrEqual(mails.length);
  expect([...read.keys()]).toEqual(mails);
});

test('reading a page ends with the signal', async () => {
  const mails = Array.from({ length: 5 }, () => mail({}));
  await expect(readMails(mails, AbortSignal.abort(new Error('the process stops')))).rejects.toThrow(
    'the process stops',
  );
});
