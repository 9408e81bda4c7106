import { describe, expect, test } from 'vitest';
import type { OutgoingCopy } from '../../src/microsoft365/mail-sending.ts';
import { type DeliveryFacts, type Found, nextStep, readFindings } from '../../src/outbound/delivery-plan.ts';

const now = new Date('2026-11-21T12:00:00Z');
const ago = (milliseconds: number) => new Date(now.getTime() - milliseconds);
const TIMES = { unclearSend: 180_000, lostDraft: 60_000 };

const copy = (changes: Partial<OutgoingCopy> = {}): OutgoingCopy => ({
  graphMessageId: 'draft',
  internetMessageId: '<id@contoso.example>',
  conversationId: null,
  isDraft: true,
  folder: 'DRAFTS',
  from: null,
  sender: null,
  sentAt: null,
  ...changes,
});
const draft: Found = { kind: 'DRAFT', copy: copy() };
const sent: Found = { kind: 'SENT', copy: copy({ isDraft: false, folder: 'SENT_ITEMS' }) };
const nothing: Found = { kind: 'NOTHING' };

const fresh: DeliveryFacts = {
  graphMessageId: null,
  draftAttemptedAt: null,
  hasFiles: false,
  filesCompleteAt: null,
  sendAttemptedAt: null,
  lostSince: null,
};
const attempted = { ...fresh, draftAttemptedAt: ago(5_000) };
const drafted = { ...attempted, graphMessageId: 'draft' };
const withFiles = { ...drafted, hasFiles: true };
const told = { ...drafted, sendAttemptedAt: ago(10_000) };

describe('what is next', () => {
  test.each<[string, DeliveryFacts, Found | null, string]>([
    ['nothing was tried: a draft', fresh, null, 'MAKE_DRAFT'],
    ['a draft was tried: look before making another', attempted, null, 'LOOK'],
    ['a draft was tried and is found: it is kept', attempted, draft, 'KEEP_DRAFT'],
    ['a draft was tried and is not found: another', attempted, nothing, 'MAKE_DRAFT'],
    ['a draft was tried and has been sent by hand', attempted, sent, 'SENT'],
    ['the draft is known: is it still there?', drafted, null, 'LOOK'],
    ['the draft is there, without files', drafted, draft, 'SEND'],
    ['the draft is there, files are not', withFiles, draft, 'ADD_FILES'],
    ['the draft is there with its files', { ...withFiles, filesCompleteAt: now }, draft, 'SEND'],
    ['the draft was sent by hand', drafted, sent, 'SENT'],
    ['the draft is gone: note it', drafted, nothing, 'NOTE_LOST'],
    ['the draft has just gone: it may be under way', { ...drafted, lostSince: ago(59_000) }, nothing, 'WAIT'],
    ['the draft has been gone for long', { ...drafted, lostSince: ago(60_000) }, nothing, 'MAKE_DRAFT'],
    ['told to send: look before anything else', told, null, 'LOOK'],
    ['told to send, and it is sent', told, sent, 'SENT'],
    ['told to send, and the draft is gone: it is sent', told, nothing, 'SENT'],
    ['told to send a moment ago, and the draft is there: wait', told, draft, 'WAIT'],
    [
      'told to send long ago, and the draft is there',
      { ...told, sendAttemptedAt: ago(180_000) },
      draft,
      'SEND',
    ],
  ])('%s', (_what, facts, found, expected) => {
    expect(nextStep(facts, found, now, TIMES).kind).toBe(expected);
  });

  test('after a send without an answer nothing is ever made or sent without having looked', () => {
    for (const facts of [told, { ...told, graphMessageId: null }, { ...told, hasFiles: true }]) {
      expect(nextStep(facts, null, now, TIMES).kind).toBe('LOOK');
    }
  });
});

describe('what was found', () => {
  test('a sent mail counts, whatever its id', () => {
    const found = readFindings('draft', null, [copy({ graphMessageId: 'other', isDraft: false })]);
    expect(found.kind).toBe('SENT');
  });
  test('what lies in the Outbox is on its way: it is not sent again', () => {
    const underWay = copy({ folder: 'OUTBOX' });
    for (const found of [readFindings('draft', underWay, []), readFindings(null, null, [underWay])]) {
      expect(nextStep({ ...told, sendAttemptedAt: ago(180_000) }, found, now, TIMES).kind).toBe('SENT');
    }
  });
  test('a draft of another id is left over, and not the mail', () => {
    expect(readFindings('draft', null, [copy({ graphMessageId: 'other' })]).kind).toBe('NOTHING');
  });
  test('a draft that somebody has deleted is not taken up again', () => {
    expect(readFindings(null, null, [copy({ folder: 'OTHER' })]).kind).toBe('NOTHING');
    expect(readFindings(null, null, [copy()]).kind).toBe('DRAFT');
  });
});
