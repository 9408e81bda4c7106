import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { IncomingMail } from '../../src/microsoft365/mail.ts';
import { bounded, cleanLine, cleanText } from '../../src/ticketing/clean-text.ts';
import { toCorrespondents } from '../../src/ticketing/correspondent.ts';
import { prepareMail, summarizeMail } from '../../src/ticketing/prepare-mail.ts';
import { mail } from './fixtures.ts';

/** Any UTF-16, halves of pairs and NUL included. */
const anything = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 200 })
  .map((units) => String.fromCharCode(...units));
const address = fc.record({ name: fc.option(anything), emailAddress: anything });

test('whatever a mail holds, what is stored can be stored: no NUL, no half character, nothing longer than its bound', () => {
  fc.assert(
    fc.property(
      fc.record({
        subject: anything,
        internetMessageId: fc.option(anything),
        conversationId: fc.option(anything),
        from: fc.option(address),
        to: fc.array(address),
        references: fc.array(anything),
        body: fc.record({
          contentType: fc.constantFrom('html' as const, 'text' as const),
          content: anything,
        }),
        uniqueBody: fc.option(
          fc.record({ contentType: fc.constantFrom('html' as const, 'text' as const), content: anything }),
        ),
        receivedAt: fc.option(fc.date({ noInvalidDate: false })),
      }),
      (parts) => {
        const prepared = prepareMail(mail(parts));
        const stored = JSON.stringify(prepared);
        expect(stored).not.toContain('\\u0000');
        expect(stored).not.toMatch(/\\u[dD][89a-fA-F][0-9a-fA-F]{2}/);
        expect(prepared.thread.subject.length).toBeLessThanOrEqual(1_000);
        if (prepared.bodies.text !== '') expect(prepared.bodies.strippedText).not.toBe('');
      },
    ),
    { numRuns: 300 },
  );
});

test('dates that PostgreSQL does not read are no dates', () => {
  for (const time of [Number.NaN, 8.64e15, -8.64e15, Date.UTC(10_000, 0)]) {
    expect(prepareMail(mail({ receivedAt: new Date(time), sentAt: new Date(time) }))).toMatchObject({
      sentAt: null,
      summary: { receivedAt: null },
    });
  }
});

describe('the summary of a mail', () => {
  test('is given even for one that is not as its type says', () => {
    const broken = {
      graphMessageId: 'x',
      subject: 5,
      from: 'me',
      receivedAt: 'now',
    } as unknown as IncomingMail;
    expect(summarizeMail(broken)).toEqual({
      graphMessageId: 'x',
      internetMessageId: null,
      subject: '',
      fromAddress: null,
      receivedAt: null,
    });
    expect(() => prepareMail(broken)).toThrow(TypeError);
  });
});

test('recipients are in lower case, each once, and without those that are none', () => {
  expect(
    toCorrespondents([
      { name: 'Bob', emailAddress: ' Bob@Example.ORG ' },
      { name: 'Robert', emailAddress: 'bob@example.org' },
      { name: 'ann@example.org', emailAddress: 'ann@example.org' },
      { name: 'Nobody', emailAddress: ' \u0000 ' },
    ]),
  ).toEqual([
    { name: 'Bob', emailAddress: 'bob@example.org' },
    { name: null, emailAddress: 'ann@example.org' },
  ]);
});

test('text is cut between characters', () => {
  expect(bounded('ab😀cd', 4)).toBe('ab…');
  expect(bounded('ab😀cd', 6)).toBe('ab😀cd');
  expect(cleanLine(' a\r\n\tb\u2028c ')).toBe('a b c');
  expect(cleanText('\ud800x\u0000')).toBe('\ufffdx');
});
