import { expect, test } from 'vitest';
import { planFetches } from '../../src/ticketing/attachment-fetches.ts';

const KIB = 1024;
const file = (sizeBytes: number, kind: 'FILE' | 'ITEM' = 'FILE') => ({
  mail: null,
  attachmentId: crypto.randomUUID(),
  address: { graphMessageId: 'm', graphAttachmentId: 'a' },
  kind,
  sizeBytes,
});
const many = (count: number, sizeBytes: number) => Array.from({ length: count }, () => file(sizeBytes));

test('small files come twenty in a request', () => {
  const { batches, streamed } = planFetches(many(50, 10 * KIB));
  expect(batches.map(({ length }) => length)).toEqual([20, 20, 10]);
  expect(streamed).toEqual([]);
});

test('what takes a while leaves one of the four places of the mailbox to new mail', () => {
  const { batches, streamed } = planFetches(many(40, 256 * KIB));
  expect(batches.map(({ length }) => length)).toEqual(Array.from({ length: 13 }, () => 3));
  expect(streamed).toHaveLength(1);
});

test('a few bytes more than a quick request has begin another one, and none is lost', () => {
  const files = [...many(10, 20 * KIB), ...many(2, 40 * KIB), ...many(19, KIB)];
  const { batches, streamed } = planFetches(files);
  expect(batches.map(({ length }) => length)).toEqual([11, 20]);
  expect([...batches.flat(), ...streamed]).toHaveLength(files.length);
});

test('large files and Outlook items are streamed, and so is a small file that is alone', () => {
  const files = [file(256 * KIB + 1), file(10, 'ITEM'), file(10)];
  const { batches, streamed } = planFetches(files);
  expect(batches).toEqual([]);
  expect(new Set(streamed)).toEqual(new Set(files));
});
