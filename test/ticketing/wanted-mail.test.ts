import { expect, test } from 'vitest';
import { INBOUND_REASONS } from '../../src/ticketing/inbound-message.entity.ts';
import { explainWanted, isOverrulable } from '../../src/ticketing/wanted-mail.ts';

test('decisions about ignored mail may be overruled, facts may not: copies, deleted tickets and drafts', () => {
  const overrulable = INBOUND_REASONS.filter((reason) => isOverrulable({ outcome: 'IGNORED', reason }));
  expect(overrulable).toEqual([
    'TICKETS_OFF',
    'AUTO_REPLY',
    'OUT_OF_OFFICE',
    'READ_RECEIPT',
    'BOUNCE',
    'CALENDAR_RESPONSE',
    'OWN_MAIL',
    'MAIL_RULE',
  ]);
  for (const outcome of ['TICKET_CREATED', 'REPLY_ADDED', 'FAILED'] as const) {
    expect(isOverrulable({ outcome, reason: 'MAIL_RULE' })).toBe(false);
  }
});

test('the explanation says that a person asked, what had left it out, and that nothing answers a machine', () => {
  expect(explainWanted({ before: 'Ignored: a bounce.' }, 'BOUNCE')).toBe(
    'A person asked for it, though it had been left alone (“Ignored: a bounce.”). Nothing answers it by itself.',
  );
  expect(explainWanted({ before: null }, null)).toBe('A person asked for it.');
});
