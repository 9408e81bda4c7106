import { describe, expect, test } from 'vitest';
import {
  automaticKind,
  explainAutomatic,
  findingInThread,
  isQuiet,
  unwantedMachineMail,
} from '../../src/ticketing/automatic-mail.ts';
import { AUTOMATIC_KINDS, type MachineFinding } from '../../src/ticketing/machine-mail.ts';

const finding = (kind: MachineFinding['kind'], sentBy: string | null = null): MachineFinding => ({
  kind,
  evidence: 'its header X-Test',
  sentBy,
});
const ticket = { id: 'ticket', number: 7 };
const reasonOf = (kind: MachineFinding['kind'], known: boolean, sentBy: string | null = null) =>
  unwantedMachineMail(finding(kind, sentBy), known ? ticket : null, 'us')?.reason ?? 'KEPT';

describe('what becomes of a machine’s mail', () => {
  test.each([
    ['AUTO_REPLY', 'KEPT', 'AUTO_REPLY'],
    ['OUT_OF_OFFICE', 'KEPT', 'OUT_OF_OFFICE'],
    ['BOUNCE', 'KEPT', 'BOUNCE'],
    ['CALENDAR_RESPONSE', 'KEPT', 'CALENDAR_RESPONSE'],
    ['READ_RECEIPT', 'READ_RECEIPT', 'READ_RECEIPT'],
    ['OWN_MAIL', 'KEPT', 'KEPT'],
    ['LIST_MAIL', 'KEPT', 'KEPT'],
    ['AUTO_GENERATED', 'KEPT', 'KEPT'],
    ['NONE', 'KEPT', 'KEPT'],
  ] as const)('%s of a known conversation: %s, of an unknown one: %s', (kind, known, unknown) => {
    expect([reasonOf(kind, true), reasonOf(kind, false)]).toEqual([known, unknown]);
  });

  test('what Deskgraph sent is left alone wherever it comes back; what another one sent is not', () => {
    expect([reasonOf('OWN_MAIL', true, 'us'), reasonOf('OWN_MAIL', false, 'us')]).toEqual([
      'OWN_MAIL',
      'OWN_MAIL',
    ]);
    expect(reasonOf('OWN_MAIL', true, 'them')).toBe('KEPT');
  });

  test('only what people must see opens a closed ticket', () => {
    const loud = AUTOMATIC_KINDS.filter((kind) => !isQuiet(kind));
    expect(loud).toEqual(['OWN_MAIL', 'LIST_MAIL', 'AUTO_GENERATED']);
    expect(isQuiet(automaticKind(finding('NONE')))).toBe(false);
  });

  test('a robot’s answer that only its subject shows is one where it answers something here', () => {
    const guess = { ...finding('OUT_OF_OFFICE'), isGuess: true } as const;
    expect(findingInThread(guess, ticket, false)).toEqual(guess);
    expect(findingInThread(guess, null, false)).toEqual(finding('AUTO_GENERATED'));
    expect(findingInThread(finding('OUT_OF_OFFICE'), null, false)).toEqual(finding('OUT_OF_OFFICE'));
  });

  test('what one of our mailboxes answers to a notification is told to nobody: the next notification would be a circle', () => {
    expect(findingInThread(finding('OWN_MAIL'), ticket, true)).toMatchObject({
      kind: 'AUTO_GENERATED',
      evidence: 'its header X-Test, which answers a notification',
    });
    expect(findingInThread(finding('OWN_MAIL'), ticket, false).kind).toBe('OWN_MAIL');
    // What Deskgraph sent stays what is ignored, and everybody else may answer.
    expect(findingInThread(finding('OWN_MAIL', 'us'), ticket, true).kind).toBe('OWN_MAIL');
    expect(findingInThread(finding('NONE'), ticket, true).kind).toBe('NONE');
  });

  test('every decision says what it was recognised by', () => {
    expect(unwantedMachineMail(finding('READ_RECEIPT'), ticket, 'us')?.explanation).toBe(
      'Ignored: a receipt for ticket #7, recognised by its header X-Test.',
    );
    expect(explainAutomatic('A reply.', finding('OUT_OF_OFFICE'), null)).toBe(
      'A reply. It is an out-of-office reply, recognised by its header X-Test: it does not reopen the ticket, and nothing answers it.',
    );
    const bounce = {
      action: 'FAILED',
      recipient: 'x@y.example',
      status: '5.1.1',
      reason: 'No such user',
    } as const;
    expect(explainAutomatic('A reply.', finding('BOUNCE'), bounce)).toMatch(
      /It is a bounce, .*Delivery to x@y.example failed: No such user$/,
    );
    expect(explainAutomatic('A reply.', finding('NONE'), null)).toBe('A reply.');
  });
});
