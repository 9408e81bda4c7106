import { expect, test } from 'vitest';
import { missingFiles, wantedFiles } from '../../src/outbound/delivery-files.ts';
import { EXCHANGE_LIMITS, isNearLimit, limitsWith, placeFor } from '../../src/outbound/send-limits.ts';
import { sentCopyOf } from '../../src/outbound/sent-copy.ts';

const usage = (messagesLastMinute: number, recipientsLastDay: number) => ({
  messagesLastMinute,
  recipientsLastDay,
  minuteFreesIn: 12_000,
  dayFreesIn: 3_600_000,
});
const reply = { recipientCount: 1, isNotification: false };
const notification = { recipientCount: 1, isNotification: true };

test.each([
  [usage(0, 0), reply, { granted: true }],
  [usage(29, 29), reply, { granted: true }],
  [usage(30, 30), reply, { granted: false, limit: 'MINUTE', milliseconds: 12_000 }],
  [usage(23, 23), notification, { granted: true }],
  [usage(24, 24), notification, { granted: false, limit: 'MINUTE', milliseconds: 12_000 }],
  [usage(0, 9_999), reply, { granted: true }],
  [usage(0, 10_000), reply, { granted: false, limit: 'DAY', milliseconds: 600_000 }],
  [usage(0, 8_000), notification, { granted: false, limit: 'DAY', milliseconds: 600_000 }],
  [
    usage(0, 9_990),
    { ...reply, recipientCount: 11 },
    { granted: false, limit: 'DAY', milliseconds: 600_000 },
  ],
])('%o for %o: %o', (used, mail, expected) => {
  expect(placeFor(used, mail, EXCHANGE_LIMITS)).toEqual(expected);
});

test('a mail with more recipients than a day allows does not wait for ever', () => {
  const limits = { messagesPerMinute: 30, recipientsPerDay: 5 };
  expect(placeFor(usage(0, 0), { ...reply, recipientCount: 6 }, limits)).toEqual({ granted: true });
});

test('limits are never above Exchange’s own', () => {
  expect(limitsWith({ messagesPerMinute: 1_000 })).toEqual(EXCHANGE_LIMITS);
  expect(limitsWith({ messagesPerMinute: 3 }).messagesPerMinute).toBe(3);
});

test('a warning comes at 80 % of either limit', () => {
  expect(isNearLimit(usage(23, 0), EXCHANGE_LIMITS)).toBe(false);
  expect(isNearLimit(usage(24, 0), EXCHANGE_LIMITS)).toBe(true);
  expect(isNearLimit(usage(0, 8_000), EXCHANGE_LIMITS)).toBe(true);
});

const file = (attachmentId: string, contentId: string | null) => ({
  attachmentId,
  name: 'a.txt',
  contentType: 'text/plain',
  sizeBytes: 1,
  contentId,
  isInline: contentId !== null,
});

test('each file of a mail has a content id of its own, and pictures the one that the HTML names', () => {
  const ids = wantedFiles([file('1', 'logo'), file('2', null), file('3', 'logo')]).map(
    (one) => one.contentId,
  );
  expect(ids).toEqual(['logo', '2@deskgraph', '3@deskgraph']);
});

test('only files that are not on the draft are added, and one that is there twice spoils the draft', () => {
  const wanted = wantedFiles([file('1', 'logo'), file('2', null)]);
  const listed = (...contentIds: (string | null)[]) =>
    contentIds.map((contentId, index) => ({ graphAttachmentId: String(index), name: 'a.txt', contentId }));
  expect(missingFiles(wanted, listed())?.length).toBe(2);
  expect(missingFiles(wanted, listed('logo', null))?.map((one) => one.attachmentId)).toEqual(['2']);
  expect(missingFiles(wanted, listed('logo', '2@deskgraph'))).toEqual([]);
  expect(missingFiles(wanted, listed('logo', 'logo'))).toBeNull();
});

test('the copy of a sent mail is said to be missing only after the last look', () => {
  const copy = {
    graphMessageId: 'x',
    internetMessageId: null,
    conversationId: null,
    isDraft: false,
    from: null,
    sender: null,
    sentAt: null,
  };
  expect(sentCopyOf([{ ...copy, folder: 'SENT_ITEMS' }], false)).toBe('FOUND');
  expect(sentCopyOf([{ ...copy, folder: 'OTHER' }], false)).toBeNull();
  expect(sentCopyOf([{ ...copy, folder: 'OTHER' }], true)).toBe('ELSEWHERE');
  expect(sentCopyOf([], false)).toBeNull();
  expect(sentCopyOf([{ ...copy, isDraft: true, folder: 'DRAFTS' }], true)).toBe('MISSING');
});
